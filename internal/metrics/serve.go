package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sourcegraph/conc"
)

const (
	// headerTimeout and writeTimeout bound a slow client. A scrape takes milliseconds, or
	// readTimeout while the database is silent.
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second

	// maxScrapes is how many scrapes are answered at once: more than two Prometheus servers
	// need.
	maxScrapes = 8

	stopTime = 2 * time.Second
)

// handler answers a scrape, and probes beside it: a worker has no other address.
func (r *Registry) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes,
	}))
	mux.Handle("GET /healthz", Healthz(r.db))
	mux.Handle("GET /readyz", Readyz(r.db))
	return mux
}

// ownHost lets only requests to an IP address or localhost through. A web page in a browser on
// this machine could otherwise read the metrics by a name that it lets resolve to 127.0.0.1.
func ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && !strings.EqualFold(host, "localhost") {
			http.Error(w, "these metrics are for this machine only: use the host 127.0.0.1 or localhost, or start relabel with another address (--metrics)", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Serve answers GET /metrics, /healthz and /readyz until ctx ends.
func (r *Registry) Serve(ctx context.Context, l net.Listener) error {
	handler := r.handler()
	if addr, ok := l.Addr().(*net.TCPAddr); ok && addr.IP.IsLoopback() {
		handler = ownHost(handler)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout}
	ctx, cancel := context.WithCancel(ctx)
	var run conc.WaitGroup
	defer run.Wait()
	defer cancel() // runs before Wait
	run.Go(func() {
		<-ctx.Done()
		end, done := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer done()
		if server.Shutdown(end) != nil {
			_ = server.Close()
		}
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("error serving the metrics: %w", err)
	}
	return nil
}
