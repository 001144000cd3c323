package cli

import (
	"context"
	"fmt"

	"relabel/internal/embedpg"
	"relabel/internal/text"
)

// serverView is the private server as `db status --json` shows it.
type serverView struct {
	Running     bool    `json:"running"`
	InUse       bool    `json:"in_use"`
	Version     *string `json:"version"`
	PID         *int    `json:"pid"`
	StateDir    string  `json:"state_dir"`
	DataDir     *string `json:"data_dir"`
	SocketDir   *string `json:"socket_dir"`
	BinDir      *string `json:"bin_dir"`
	LogFile     *string `json:"log_file"`
	Port        *int    `json:"port"`
	TCP         bool    `json:"tcp"`
	Problem     *string `json:"problem"`
	OtherMajors []int   `json:"other_majors"`
}

func newServerView(st embedpg.Status) serverView {
	return serverView{
		Running: st.Running, InUse: st.InUse, Version: text.NilIfEmpty(st.Version), PID: nilIfZero(st.PID), StateDir: st.StateDir,
		DataDir: text.NilIfEmpty(st.DataDir), SocketDir: text.NilIfEmpty(st.SocketDir), BinDir: text.NilIfEmpty(st.BinDir),
		LogFile: text.NilIfEmpty(st.LogFile), Port: nilIfZero(st.Port), TCP: st.TCP, Problem: text.NilIfEmpty(st.Problem),
		OtherMajors: append([]int{}, st.OtherMajor...),
	}
}

func nilIfZero(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func (a *app) dbStatus(ctx context.Context, cfg embedpg.Config) error {
	st, err := embedpg.Inspect(ctx, cfg)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(newServerView(st))
	}
	state := "is not running; the next command starts it"
	if st.Running {
		state = fmt.Sprintf("%s runs, process %d", st.Version, st.PID)
	}
	fmt.Fprintln(a.Out, "private PostgreSQL "+state)
	for _, line := range []struct{ name, value string }{
		{"state", st.StateDir},
		{"data", st.DataDir},
		{"socket", st.SocketDir},
		{"binaries", st.BinDir},
		{"log", st.LogFile},
		{"problem", st.Problem},
	} {
		if line.value != "" {
			fmt.Fprintf(a.Out, "  %-9s %s\n", line.name, line.value)
		}
	}
	return nil
}
