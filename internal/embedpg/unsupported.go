//go:build !unix

package embedpg

import (
	"context"
	"errors"
	"os/exec"
)

var errUnsupported = errors.New("relabel can't run its own PostgreSQL on this system: " +
	"set DATABASE_URL to a PostgreSQL database, such as postgres://user@host:5432/name")

// Server is a running private PostgreSQL. This system has none.
type Server struct{}

// Open always fails on this system.
func Open(context.Context, Config) (*Server, error) { return nil, errUnsupported }

// Inspect always fails on this system.
func Inspect(context.Context, Config) (Status, error) { return Status{}, errUnsupported }

// Stop always fails on this system.
func Stop(context.Context, Config) error { return errUnsupported }

// URL is empty on this system.
func (s *Server) URL() string { return "" }

// String names the server without its password.
func (s *Server) String() string { return "no private PostgreSQL" }

// Psql always fails on this system.
func (s *Server) Psql(context.Context, ...string) (*exec.Cmd, error) { return nil, errUnsupported }

// Close does nothing on this system.
func (s *Server) Close(context.Context) error { return nil }
