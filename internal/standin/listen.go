package standin

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Start makes a Server and serves it on a free port of this machine until Close.
func Start(cfg Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("error starting the stand-in for Webflow's API: %w", err)
	}
	s := New(cfg)
	s.listener = listener
	// Ten seconds are for a client that connects and says nothing.
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.served.Go(func() { _ = s.server.Serve(listener) }) // ends with ErrServerClosed
	return s, nil
}

// URL is the base URL for a client of a started Server.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/v2" }

// Close ends the calls that wait or hang and, of a started Server, the serving. It may
// be called more than once.
func (s *Server) Close() {
	s.closing.Do(func() { close(s.done) })
	if s.server != nil {
		_ = s.server.Close()
		s.served.Wait()
	}
}
