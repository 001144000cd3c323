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
	readTimeout   = 30 * time.Second // of a form; uploads are given more as they come
	writeTimeout  = time.Minute      // of a page; downloads and streams are given more as they go
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10

	// stopTime is what requests in work are given when the dashboard stops.
	stopTime = 5 * time.Second
)

// Serve answers on a listener until ctx ends; cert is nil for plain HTTP.
func (s *Server) Serve(ctx context.Context, l net.Listener, cert *tls.Certificate) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var run conc.WaitGroup
	defer run.Wait()
	defer cancel() // before waiting
	run.Go(func() { s.hub.run(background) })
	run.Go(func() { s.background.run(background) })
	if err := s.river.start(background); err != nil {
		return err
	}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelInfo),
	}
	if cert != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
	}
	run.Go(func() {
		select {
		case <-ctx.Done():
		case <-background.Done(): // the server ended by itself
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
