package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sourcegraph/conc"
)

const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second // for forms; uploads extend it as they proceed
	writeTimeout  = time.Minute      // for pages; downloads and streams extend it as they proceed
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10

	// stopTime is how long requests may take to finish when the dashboard stops.
	stopTime = 5 * time.Second
)

// Serve answers requests on a listener until ctx ends. cert is nil for plain HTTP.
func (s *Server) Serve(ctx context.Context, l net.Listener, cert *tls.Certificate) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var run conc.WaitGroup
	defer run.Wait()
	defer cancel() // runs before Wait
	run.Go(func() { s.hub.run(running) })
	run.Go(func() { s.background.run(running) })
	run.Go(func() { s.watchPasswords(running) })
	run.Go(func() { s.watchUsers(running) })
	if err := s.river.start(running); err != nil {
		return err
	}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, // our guard answers OPTIONS *, with its headers
		ErrorLog:                     slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelInfo),
	}
	if cert != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
	}
	run.Go(func() {
		select {
		case <-ctx.Done():
		case <-running.Done(): // the server stopped with an error
		}
		cancel() // streams end, so that Shutdown does not wait for them
		end, done := context.WithTimeout(context.Background(), stopTime)
		defer done()
		if server.Shutdown(end) != nil {
			_ = server.Close()
		}
	})
	err := s.listen(server, l, cert != nil)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("error serving the dashboard: %w", err)
}

func (s *Server) listen(server *http.Server, l net.Listener, secure bool) error {
	if secure {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}
