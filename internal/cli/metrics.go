package cli

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/sourcegraph/conc"
	"github.com/spf13/pflag"

	"relabel/internal/metrics"
	"relabel/internal/rehearsal"
)

// metricsFlag is --metrics: where a process answers GET /metrics. It is an address of its
// own, so that a proxy which publishes the dashboard does not publish the metrics, and so
// that Prometheus needs no login.
type metricsFlag struct{ addr string }

func (f *metricsFlag) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.addr, "metrics", "", "serve metrics for Prometheus at /metrics of this `ADDRESS`: a port of this machine (9464), or a host and port that others may reach (0.0.0.0:9464). There is no login")
}

// check completes the address. A port alone, with or without a colon, is this machine's:
// only who names a host opens the metrics to others.
func (f *metricsFlag) check() error {
	if f.addr == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(f.addr)
	if err != nil {
		host, port = "", f.addr
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return usageError("--metrics takes a port or an address and port, such as 9464 or 0.0.0.0:9464, not %q", f.addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	f.addr = net.JoinHostPort(host, port)
	return nil
}

// withMetrics runs fn, and serves metrics as long as fn runs.
func (a *app) withMetrics(ctx context.Context, s *session, f metricsFlag, fn func() error) error {
	if f.addr == "" {
		return fn()
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return fmt.Errorf("the metrics can't be served on %s: %w; choose another address with --metrics", f.addr, err)
	}
	a.metrics = metrics.New(metrics.Config{DB: s.DB, Version: Version(), StandIn: rehearsal.IsStandIn}) // before sites are read, whose calls it counts
	a.note("the metrics are at http://%s/metrics", listener.Addr())
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var run conc.WaitGroup
	defer run.Wait()
	defer stop() // before waiting
	run.Go(func() {
		if err := a.metrics.Serve(ctx, listener); err != nil {
			a.log.Error("the metrics are not served any more", "error", err)
		}
	})
	return fn()
}
