//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Inspect reports on the private PostgreSQL. It starts, makes and downloads nothing.
func Inspect(ctx context.Context, cfg Config) (Status, error) {
	l, err := resolve(cfg.StateDir)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return Status{}, err
	}
	in := &instance{layout: l, cfg: cfg, log: cfg.logger()}
	st := Status{StateDir: string(l)}
	if !fresh {
		in.inspectData(ctx, &st)
	}
	if !st.Running || st.BinDir == "" {
		in.inspectBinaries(ctx, &st)
	}
	return st, context.Cause(ctx)
}

func (in *instance) inspectData(ctx context.Context, st *Status) {
	st.InUse = in.inUse()
	majors, err := in.majors()
	if err != nil {
		st.Problem = err.Error()
		return
	}
	if len(majors) == 0 {
		return
	}
	st.Major = majors[0]
	if len(majors) > 1 {
		st.OtherMajor = majors[1:]
	}
	st.DataDir, st.LogFile = in.data(st.Major), in.layout.log(st.Major)
	if in.account, err = in.accountFor(st.Major); err != nil {
		st.Problem = err.Error()
		return
	}
	in.inspectServer(ctx, st)
}

func (in *instance) inspectServer(ctx context.Context, st *Status) {
	r, h, err := in.probe(ctx, st.Major)
	if err != nil {
		st.Problem = err.Error()
	}
	switch h {
	case stopped:
		return
	case unresponsive:
		st.Problem = fmt.Sprintf("process %d holds the data folder and doesn't answer: it is starting, stopping, or not a server", r.pid)
		return
	case busy:
		st.Problem = "the server is starting, recovering or stopping"
	}
	st.Running, st.Version, st.PID = true, r.version, r.pid
	st.Port, st.TCP, st.SocketDir = r.port, r.listen != "", r.socketDir
}

// inspectBinaries finds the programs, and what would prevent a start.
func (in *instance) inspectBinaries(ctx context.Context, st *Status) {
	if in.account.name == "" {
		a, err := chooseAccount("", in.log)
		if err != nil {
			st.Problem = err.Error()
			return
		}
		in.account = a
	}
	bin, others, err := in.finder().find(ctx, st.Major)
	switch {
	case err != nil:
		return
	case bin.dir != "":
		st.BinDir = bin.dir
		if !st.Running {
			st.Version = bin.version
		}
	case len(others) > 0 && !st.Running && st.Problem == "":
		st.Problem = in.otherMajor(st.Major, others).Error()
	}
}

// inUse reports whether a command uses the server, or is starting or stopping it. It releases the locks at once.
func (in *instance) inUse() bool {
	if _, err := os.Stat(in.control()); err != nil {
		return false
	}
	control := newLock(in.control())
	if ok, err := control.TryLock(); err != nil || !ok {
		return err == nil
	}
	defer release(control)
	free, err := hasNoClients(in.layout)
	return err == nil && !free
}
