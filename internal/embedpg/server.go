//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Server is our share in a running private PostgreSQL.
type Server struct {
	in      *instance
	major   int
	version string
	url     string
	clients *flock.Flock

	closing sync.Once
	closed  error
}

// Open starts the private PostgreSQL or joins the running one. The server runs at least until Close.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := checkSettings(cfg); err != nil {
		return nil, err
	}
	l, err := prepare(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	in := &instance{layout: l, cfg: cfg, log: cfg.logger()}
	return in.enter(ctx, in.up)
}

// Join joins the running server and starts none: without one the error is ErrNotRunning. The server runs at least
// until Close.
func Join(ctx context.Context, cfg Config) (*Server, error) {
	if err := checkSettings(cfg); err != nil {
		return nil, err
	}
	l, err := resolve(cfg.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	} else if err != nil {
		return nil, err
	}
	in := &instance{layout: l, cfg: cfg, log: cfg.logger()}
	return in.enter(ctx, in.meet)
}

// enter takes our share and gets to the server by the given way, both under the control lock.
func (in *instance) enter(ctx context.Context, way func(context.Context) (int, running, error)) (*Server, error) {
	control, err := lockControl(ctx, in.layout, in.log)
	if err != nil {
		return nil, err
	}
	defer release(control)
	clients, err := shareClients(in.layout)
	if err != nil {
		return nil, err
	}
	s, err := in.server(ctx, way)
	if err != nil {
		return nil, errors.Join(err, clients.Unlock())
	}
	s.clients = clients
	return s, nil
}

func (in *instance) server(ctx context.Context, way func(context.Context) (int, running, error)) (*Server, error) {
	major, r, err := way(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.checkPort(r); err != nil {
		return nil, err
	}
	url, err := in.url(major, r.pidFile)
	if err != nil {
		return nil, err
	}
	return &Server{in: in, major: major, version: r.version, url: url}, nil
}

// meet waits for a server that is just starting or stopping, and is content with no other than a running one.
func (in *instance) meet(ctx context.Context) (int, running, error) {
	majors, err := in.majors()
	if err != nil {
		return 0, running{}, err
	}
	if len(majors) == 0 {
		return 0, running{}, ErrNotRunning
	}
	if in.account, err = in.accountFor(majors[0]); err != nil {
		return 0, running{}, err
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		r, h, err := in.probe(ctx, majors[0])
		switch {
		case err != nil || h == ready:
			return majors[0], r, err
		case h != busy:
			return 0, running{}, ErrNotRunning
		}
		select {
		case <-ctx.Done():
			return 0, running{}, fmt.Errorf("stopped waiting for the private PostgreSQL: %w", context.Cause(ctx))
		case <-poll.C:
		}
	}
}

// URL is the whole connection URL, with the password, over the Unix socket.
func (s *Server) URL() string { return s.url }

// Version is the server's version, such as 15.13.
func (s *Server) Version() string { return s.version }

// String names the server without its password.
func (s *Server) String() string {
	return fmt.Sprintf("private PostgreSQL %s in %s", s.version, string(s.in.layout))
}

// Close ends our use of the server; the last one out stops it, and waits until it has stopped or the context is
// over. Further calls do nothing and return the same.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closed = s.in.leave(ctx, s.clients, s.major) })
	return s.closed
}
