// Package metrics owns what relabel shows to Prometheus, and to health checks.
//
//   - [Registry] holds the metrics of one process. New makes it, and Serve answers
//     GET /metrics on a listener until its context ends.
//   - [Site] counts what this process does for one site: calls, waits for grants, turns
//     (the statements that claim and finish rows) and feeds. Packages jobs and siteread
//     call its methods. All of them do nothing on a nil *Site, so a process without
//     metrics needs no second path.
//   - figures (figures.go) are read from the database: rows by status, limits, schedules,
//     River's jobs. They are the same in every process.
//   - [Healthz] and [Readyz] answer the probes of Kubernetes and of load balancers, beside
//     the metrics and on the dashboard's address.
//
// Labels are names of sites and schedules, and words from fixed lists. No metric has a
// label for an asset, a row or a batch, because Prometheus keeps a series for each value.
package metrics

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"relabel/db"
)

// Registry holds the metrics of one process.
type Registry struct {
	registry *prometheus.Registry
	db       *db.DB

	calls        *prometheus.CounterVec
	callSeconds  *prometheus.HistogramVec
	grantSeconds *prometheus.HistogramVec
	waiting      *prometheus.GaugeVec
	turnRows     *prometheus.HistogramVec
	turnSeconds  *prometheus.HistogramVec
	feedSeconds  *prometheus.HistogramVec
	fed          *prometheus.CounterVec
}

// Config of a Registry.
type Config struct {
	DB      *db.DB
	Version string

	// StandIn reports sites that are left out: nobody needs an alert because a rehearsal was
	// interrupted. nil: none.
	StandIn func(site string) bool
}

// New makes the metrics of a process.
func New(cfg Config) *Registry {
	r := &Registry{registry: prometheus.NewRegistry(), db: cfg.DB}
	r.addCalls()
	r.addStatements()
	r.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newFigures(cfg), newConnections(cfg.DB),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "relabel_build_info", Help: "Always 1; the labels say which relabel this is.",
			ConstLabels: prometheus.Labels{"version": cfg.Version, "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
	)
	return r
}

// callBuckets end at the longest timeout of a call, 1 min.
func callBuckets() []float64 { return []float64{.05, .1, .2, .5, 1, 2, 5, 10, 30, 60} }

// waitBuckets end at the longest wait for a grant, 5 min.
func waitBuckets() []float64 { return []float64{.001, .01, .1, .5, 1, 5, 15, 60, 120, 300} }

// statementBuckets end at the time after which a connection is taken for dead, 30 s.
func statementBuckets() []float64 { return []float64{.001, .005, .02, .05, .1, .5, 1, 5, 10, 30} }

// turnBuckets end at the most rows of one statement, 256.
func turnBuckets() []float64 { return []float64{1, 2, 4, 8, 16, 32, 64, 128, 256} }

func (r *Registry) addCalls() {
	r.calls = counter("relabel_calls_total",
		"Calls of this process to Webflow's API. kind is rename or read; status is the HTTP status, or none without an answer.",
		"site", "kind", "outcome", "status")
	r.callSeconds = histogram("relabel_call_duration_seconds", "How long calls took.", callBuckets(), "site", "kind")
	r.grantSeconds = histogram("relabel_grant_wait_seconds", "How long workers waited until the rate limit allowed a call.", waitBuckets(), "site")
	r.waiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "relabel_grants_waiting", Help: "Workers of this process that wait for the rate limit.",
	}, []string{"site"})
	r.registry.MustRegister(r.calls, r.callSeconds, r.grantSeconds, r.waiting)
}

func (r *Registry) addStatements() {
	r.turnRows = histogram("relabel_turn_rows", "Rows that were claimed, or finished, by one statement.", turnBuckets(), "site", "step")
	r.turnSeconds = histogram("relabel_turn_duration_seconds", "How long the statements for claims and finishes took.", statementBuckets(), "site")
	r.feedSeconds = histogram("relabel_feed_duration_seconds", "How long feeds took, which give River jobs to rows.", statementBuckets(), "site")
	r.fed = counter("relabel_fed_jobs_total", "River jobs that feeds of this process inserted.", "site")
	r.registry.MustRegister(r.turnRows, r.turnSeconds, r.feedSeconds, r.fed)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Site counts what this process does for one site. A nil Site counts nothing.
type Site struct {
	r    *Registry
	name string
}

// Site returns the counters of a site; nil for a nil Registry.
func (r *Registry) Site(name string) *Site {
	if r == nil {
		return nil
	}
	return &Site{r: r, name: name}
}

// Forget drops what was counted for a site that was removed.
func (r *Registry) Forget(site string) {
	if r == nil {
		return
	}
	of := prometheus.Labels{"site": site}
	for _, vec := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
		r.calls, r.callSeconds, r.grantSeconds, r.waiting, r.turnRows, r.turnSeconds, r.feedSeconds, r.fed,
	} {
		vec.DeletePartialMatch(of)
	}
}

// The kinds of calls.
const (
	KindRename = "rename"
	KindRead   = "read"
)

// Call counts a call to the API. httpStatus is 0 if no answer came.
func (s *Site) Call(kind, outcome string, httpStatus int, took time.Duration) {
	if s == nil {
		return
	}
	s.r.calls.WithLabelValues(s.name, kind, outcome, statusLabel(httpStatus)).Inc()
	s.r.callSeconds.WithLabelValues(s.name, kind).Observe(took.Seconds())
}

// statusLabel keeps the number of series small, whatever an API answers.
func statusLabel(status int) string {
	switch {
	case status == 0:
		return "none"
	case status < 100 || status > 599:
		return "other"
	}
	return strconv.Itoa(status)
}

// WaitForGrant counts a worker that waits for a grant, until it calls the returned function.
func (s *Site) WaitForGrant() (done func()) {
	if s == nil {
		return func() {}
	}
	began, waiting := time.Now(), s.r.waiting.WithLabelValues(s.name)
	waiting.Inc()
	return func() {
		waiting.Dec()
		s.r.grantSeconds.WithLabelValues(s.name).Observe(time.Since(began).Seconds())
	}
}

// Turn counts a statement that claimed and finished rows.
func (s *Site) Turn(claims, finishes int, took time.Duration) {
	if s == nil {
		return
	}
	if claims > 0 {
		s.r.turnRows.WithLabelValues(s.name, "claim").Observe(float64(claims))
	}
	if finishes > 0 {
		s.r.turnRows.WithLabelValues(s.name, "finish").Observe(float64(finishes))
	}
	s.r.turnSeconds.WithLabelValues(s.name).Observe(took.Seconds())
}

// Feed counts a feed that inserted so many jobs.
func (s *Site) Feed(inserted int, took time.Duration) {
	if s == nil {
		return
	}
	s.r.fed.WithLabelValues(s.name).Add(float64(inserted))
	s.r.feedSeconds.WithLabelValues(s.name).Observe(took.Seconds())
}
