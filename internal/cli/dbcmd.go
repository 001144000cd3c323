package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/spf13/cobra"

	"relabel/internal/embedpg"
	"relabel/internal/text"
)

var errNoPrivate = errors.New("DATABASE_URL is set: there is no private PostgreSQL in use; unset it to see to the private one")

func (a *app) dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "The private PostgreSQL that runs when no DATABASE_URL is given",
		Long: `Without a DATABASE_URL relabel runs a PostgreSQL of its own. Commands start it when they
need it and share it; the last one stops it. Its data stay in RELABEL_STATE_DIR.`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		a.dbSubcommand("status", "Whether it runs, and where its data are", a.dbStatus),
		a.dbSubcommand("stop", "Stop it, unless another command uses it", a.dbStop),
		a.dbSubcommand("url", "Print its address, password included, and keep it running until Ctrl-C", a.dbURL),
		a.psqlCommand(),
	)
	return cmd
}

func (a *app) dbSubcommand(use, short string, run func(context.Context, embedpg.Config) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.private(cmd.Context(), run) },
	}
}

func (a *app) private(ctx context.Context, run func(context.Context, embedpg.Config) error) error {
	if a.cfg.DatabaseURL != "" {
		return errNoPrivate
	}
	return run(ctx, embedpg.Config{StateDir: a.cfg.StateDir, Logger: a.log})
}

// serverView is the private server as `db status --json` shows it.
type serverView struct {
	Running     bool    `json:"running"`
	InUse       bool    `json:"in_use"`
	Version     string  `json:"version"`
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
		Running: st.Running, InUse: st.InUse, Version: st.Version, PID: nilIfZero(st.PID), StateDir: st.StateDir,
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

func (a *app) dbStop(ctx context.Context, cfg embedpg.Config) error {
	if err := embedpg.Stop(ctx, cfg); err != nil {
		return err
	}
	if a.json {
		return a.result.print(map[string]bool{"running": false})
	}
	a.note("private PostgreSQL is stopped")
	return nil
}

// dbURL holds the server until the signal: the address is good only while it
// runs.
func (a *app) dbURL(ctx context.Context, cfg embedpg.Config) error {
	s, err := embedpg.Open(ctx, cfg)
	if err != nil {
		return err
	}
	if a.json {
		err = a.result.print(map[string]string{"url": s.URL()})
	} else {
		_, err = fmt.Fprintln(a.Out, s.URL())
	}
	if err == nil {
		a.note("it runs until you press Ctrl-C")
		<-ctx.Done()
	}
	return errors.Join(err, closeServer(s))
}

func (a *app) psqlCommand() *cobra.Command {
	return &cobra.Command{
		Use: "psql [-- ARGS]", Short: "Open psql on it", ValidArgsFunction: completeNothing,
		Example: "  relabel db psql\n  relabel db psql -- -c 'TABLE relabel.batch'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.private(cmd.Context(), func(ctx context.Context, cfg embedpg.Config) error {
				return a.psql(ctx, cfg, args)
			})
		},
	}
}

// psql gets the terminal, and its own Ctrl-C: any number of them must end
// neither us nor the server.
func (a *app) psql(ctx context.Context, cfg embedpg.Config, args []string) error {
	s, err := embedpg.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = closeServer(s) }()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	cmd, err := s.Psql(context.WithoutCancel(ctx), args...)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.stdout.Writer, a.screen.Raw
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exitErr{code: exitError} // psql has said why
	}
	return err
}
