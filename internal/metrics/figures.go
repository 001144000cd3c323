package metrics

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river/rivertype"

	"relabel/db"
	"relabel/internal/records"
)

const (
	// readEvery is how long figures, and answers to probes, are kept, so that many who ask cost
	// one reading.
	readEvery = 5 * time.Second

	// readTimeout is below Prometheus's default scrape timeout of 10 s: a scrape still
	// answers with this process's own counters while the database is silent.
	readTimeout = 5 * time.Second
)

// snapshot is what one reading of the database found.
type snapshot struct {
	sites     []records.SiteFigures
	schedules []records.ScheduleFigures
	queues    []records.QueueFigures
}

// figures shows what the database holds. Every process shows the same, so queries take max
// and not sum over processes.
type figures struct {
	read func(context.Context) (snapshot, error)

	mu   sync.Mutex // held while reading: other scrapes wait for the same figures
	last snapshot
	err  error
	at   time.Time

	up, rows, open, batches, workers, parked, paused, breaker, end *prometheus.Desc
	limit, window, used, foreign, blocked                          *prometheus.Desc
	schedulePaused, next, success, result, jobs                    *prometheus.Desc
}

func newFigures(cfg Config) *figures {
	f := &figures{
		read: func(ctx context.Context) (snapshot, error) { return readSnapshot(ctx, cfg) },
		up:   desc("relabel_database_up", "1 if the figures could be read from the database, else 0."),
		jobs: desc("relabel_river_jobs", "River's jobs by queue and state; jobs that have ended well are left out.", "queue", "state"),
	}
	f.describeSites()
	f.describeSchedules()
	return f
}

func (f *figures) describeSites() {
	f.rows = desc("relabel_rows", "Rows by site and status. Plans are left out.", "site", "status")
	f.open = desc("relabel_open_rows", "Rows that are still to be sent, by state: active, or paused with their batch.", "site", "state")
	f.batches = desc("relabel_open_batches", "Batches that are active or paused.", "site")
	f.workers = desc("relabel_site_workers", "Processes that work the site now.", "site")
	f.parked = desc("relabel_site_parked", "1 if the API refused the site's token, so that nothing is sent.", "site")
	f.paused = desc("relabel_site_paused", "1 if a person paused the site.", "site")
	f.breaker = desc("relabel_breaker_open", "1 if the API keeps failing, so that only one call every 5 s is made.", "site")
	f.end = desc("relabel_estimated_end_seconds", "Seconds until the last open row is sent; absent without an estimate.", "site")
	f.limit = desc("relabel_rate_limit_calls", "The calls that the rate limit allows in a window; absent without a limit.", "site")
	f.window = desc("relabel_rate_limit_window_seconds", "The length of the rate limit's window.", "site")
	f.used = desc("relabel_rate_limit_used_calls", "The calls that count against the rate limit now.", "site")
	f.foreign = desc("relabel_rate_limit_foreign_calls", "Of the calls that count, those of other programs.", "site")
	f.blocked = desc("relabel_rate_limit_blocked_seconds", "How long the API asked to wait with a 429, from now.", "site")
}

func (f *figures) describeSchedules() {
	f.schedulePaused = desc("relabel_schedule_paused", "1 if the schedule is paused.", "schedule", "site")
	f.next = desc("relabel_schedule_next_run_timestamp_seconds", "When the schedule is due; absent while it is paused.", "schedule", "site")
	f.success = desc("relabel_schedule_last_success_timestamp_seconds", "When a run of the schedule last ended as done; absent if none did.", "schedule", "site")
	f.result = desc("relabel_schedule_last_result", "Always 1; the label says how the schedule's last run ended.", "schedule", "site", "result")
}

// readSnapshot takes three statements of some milliseconds.
func readSnapshot(ctx context.Context, cfg Config) (s snapshot, err error) {
	if s.sites, err = records.AllSiteFigures(ctx, cfg.DB); err != nil {
		return s, err
	}
	if s.schedules, err = records.AllScheduleFigures(ctx, cfg.DB); err != nil {
		return s, err
	}
	if cfg.StandIn != nil {
		s.sites = slices.DeleteFunc(s.sites, func(f records.SiteFigures) bool { return cfg.StandIn(f.Site) })
		s.schedules = slices.DeleteFunc(s.schedules, func(f records.ScheduleFigures) bool { return cfg.StandIn(f.Site) })
	}
	s.queues, err = records.AllQueueFigures(ctx, cfg.DB)
	return s, err
}

// fresh returns figures that are at most readEvery old.
func (f *figures) fresh() (snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) < readEvery {
		return f.last, f.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	f.last, f.err = f.read(ctx)
	f.at = time.Now()
	return f.last, f.err
}

// Describe implements prometheus.Collector.
func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		f.up, f.rows, f.open, f.batches, f.workers, f.parked, f.paused, f.breaker, f.end,
		f.limit, f.window, f.used, f.foreign, f.blocked, f.schedulePaused, f.next, f.success, f.result, f.jobs,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Old figures would look like present ones, so
// without the database there are none.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	s, err := f.fresh()
	out <- gauge(f.up, number(err == nil))
	if err != nil {
		return
	}
	for _, site := range s.sites {
		f.collectSite(out, site)
		f.collectLane(out, site)
	}
	for _, c := range s.schedules {
		f.collectSchedule(out, c)
	}
	f.collectJobs(out, s)
}

// collectJobs shows 0 for a site's queue without jobs, so that a graph falls to 0 instead of
// ending.
func (f *figures) collectJobs(out chan<- prometheus.Metric, s snapshot) {
	type queue struct{ name, state string }
	jobs := map[queue]int64{}
	for _, site := range s.sites {
		for _, state := range []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStateRunning, rivertype.JobStateDiscarded} {
			jobs[queue{db.Site{Name: site.Site}.Queue(), string(state)}] = 0
		}
	}
	for _, q := range s.queues {
		jobs[queue{q.Queue, q.State}] = q.Jobs
	}
	for q, n := range jobs {
		out <- gauge(f.jobs, float64(n), q.name, q.state)
	}
}

func (f *figures) collectSite(out chan<- prometheus.Metric, s records.SiteFigures) {
	for status, n := range map[db.RowStatus]int64{
		db.RowPending: s.Pending, db.RowSending: s.Sending, db.RowSucceeded: s.Succeeded, db.RowFailed: s.Failed,
		db.RowSuperseded: s.Superseded, db.RowUnchanged: s.Unchanged, db.RowConflict: s.Conflict,
		db.RowCancelled: s.Cancelled, db.RowInvalid: s.Invalid,
	} {
		out <- gauge(f.rows, float64(n), s.Site, string(status))
	}
	out <- gauge(f.open, float64(s.Open), s.Site, "active")
	out <- gauge(f.open, float64(s.Held), s.Site, "paused")
	out <- gauge(f.batches, float64(s.Batches), s.Site)
	out <- gauge(f.workers, float64(s.Workers), s.Site)
	out <- gauge(f.parked, number(s.Parked), s.Site)
	out <- gauge(f.paused, number(s.Paused), s.Site)
	out <- gauge(f.breaker, number(s.BreakerOpen), s.Site)
	if s.EndsIn != nil {
		out <- gauge(f.end, max(*s.EndsIn, 0), s.Site)
	}
}

func (f *figures) collectLane(out chan<- prometheus.Metric, s records.SiteFigures) {
	if !s.HasLane {
		return
	}
	out <- gauge(f.blocked, s.Blocked.Seconds(), s.Site)
	if s.Limit == 0 {
		return
	}
	out <- gauge(f.limit, float64(s.Limit), s.Site)
	out <- gauge(f.window, s.Window.Seconds(), s.Site)
	out <- gauge(f.used, float64(s.Used), s.Site)
	out <- gauge(f.foreign, float64(s.Foreign), s.Site)
}

func (f *figures) collectSchedule(out chan<- prometheus.Metric, c records.ScheduleFigures) {
	out <- gauge(f.schedulePaused, number(c.Paused), c.Schedule, c.Site)
	if c.NextRunAt != nil {
		out <- gauge(f.next, seconds(*c.NextRunAt), c.Schedule, c.Site)
	}
	if c.SuccessAt != nil {
		out <- gauge(f.success, seconds(*c.SuccessAt), c.Schedule, c.Site)
	}
	if c.Result != nil {
		out <- gauge(f.result, 1, c.Schedule, c.Site, *c.Result)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
