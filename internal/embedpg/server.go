//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gofrs/flock"
)

// Server is our share in a running private PostgreSQL.
type Server struct {
	in      *instance
	major   int
	version string // such as 15.13
	url     string
	clients *flock.Flock

	closing sync.Once
	closed  error
}

// Open starts the private PostgreSQL or joins the running one. The server runs at least until Close.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := checkSettings(cfg.Settings); err != nil {
		return nil, err
	}
	l, err := prepare(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	in := &instance{layout: l, cfg: cfg, log: cfg.logger()}
	control, err := lockControl(ctx, l, in.log)
	if err != nil {
		return nil, err
	}
	defer release(control)
	clients, err := shareClients(l)
	if err != nil {
		return nil, err
	}
	s := &Server{in: in, clients: clients}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, clients.Unlock())
	}
	return s, nil
}

func (s *Server) connect(ctx context.Context) error {
	major, r, err := s.in.startOrJoin(ctx)
	if err != nil {
		return err
	}
	s.major, s.version = major, r.version
	s.url, err = s.in.url(major, r.pidFile)
	return err
}

// URL is the connection URL over the Unix socket, with the password.
func (s *Server) URL() string { return s.url }

// String names the server without its password.
func (s *Server) String() string {
	return fmt.Sprintf("private PostgreSQL %s in %s", s.version, string(s.in.layout))
}

// Close ends our use of the server. The last user stops the server, and waits until it has stopped or the context
// ends. Further calls do nothing and return the same.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closed = s.in.leave(ctx, s.clients, s.major) })
	return s.closed
}
