package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"relabel/db"
	"relabel/internal/failpoint"
	"relabel/internal/metrics"
)

const (
	// acceptChunks is how many chunks of a batch are accepted before the feed goes on:
	// about a second's work.
	acceptChunks = 10

	// feedTime bounds each step of a feed. Thousands of rows take a second or two; after
	// feedTime the connection is taken for dead.
	feedTime = 30 * time.Second

	// insertChunk is how many jobs are inserted at once: River reads each back whole,
	// and the answer must fit into a socket's buffer, as that of db.Feed.
	insertChunk = 250

	// DefaultWindow bounds the renames of a site that have a job, for each priority; later
	// priorities get a tenth of it. With many sites it is smaller (windowOf). It is enough for minutes of work at any limit, and
	// keeps river_job small.
	DefaultWindow = 10_000
)

// Client is River's client on a pgx pool.
type Client = river.Client[pgx.Tx]

// Feed gives jobs to the site's due renames that have none, within tx, and
// returns how many. The window is smaller if there are many sites, as in their workers.
func Feed(ctx context.Context, tx pgx.Tx, client *Client, site db.Site, window int) (int, error) {
	sites, err := db.CountSites(ctx, tx)
	if err != nil {
		return 0, err
	}
	return feed(ctx, tx, client, feedParams(site, windowOf(window, sites)))
}

func feedParams(site db.Site, window int) db.FeedParams {
	return db.FeedParams{
		SiteID: site.ID, Queue: site.Queue(), Kind: RenameArgs{}.Kind(), Window: window, Stale: DefaultTimes().Stale,
	}
}

func feed(ctx context.Context, tx pgx.Tx, client *Client, p db.FeedParams) (int, error) {
	rows, ok, err := db.Feed(ctx, tx, p)
	if err != nil || !ok {
		return 0, err
	}
	if len(rows) == 0 {
		return 0, db.WakeUnworked(ctx, tx, p.Queue)
	}
	for chunk := range slices.Chunk(rows, insertChunk) {
		if err := insert(ctx, tx, client, p.Queue, chunk); err != nil {
			return 0, err
		}
	}
	failpoint.Hit("feeding")
	return len(rows), nil
}

func insert(ctx context.Context, tx pgx.Tx, client *Client, queue string, rows []db.FeedRow) error {
	params := make([]river.InsertManyParams, len(rows))
	for i, r := range rows {
		params[i] = river.InsertManyParams{
			Args:       RenameArgs{RenameID: r.RenameID},
			InsertOpts: &river.InsertOpts{Queue: queue, Priority: r.Priority},
		}
	}
	inserted, err := client.InsertManyTx(ctx, tx, params)
	if err != nil {
		return fmt.Errorf("error inserting %d jobs: %w", len(params), err)
	}
	ids := make([]int64, len(inserted))
	for i, r := range inserted {
		ids[i] = r.Job.ID
	}
	return db.MakeDue(ctx, tx, queue, ids)
}

// feeder keeps one site supplied with jobs. It feeds as rows finish, when a row is due
// again, and when the pool's look finds something to do.
type feeder struct {
	feederConfig

	mu       sync.Mutex
	next     time.Time // of the next feed; zero: only when somebody asks for one
	sinceFed int
	owed     int // calls made since later priorities last got their share
	wake     chan struct{}
}

type feederConfig struct {
	db      *db.DB
	client  *Client
	site    db.Site
	lane    string // the token, by fingerprint
	window  int
	process string      // its id
	running *jobsAtWork // in the process
	times   Times
	log     *slog.Logger
	metrics *metrics.Site
}

func newFeeder(cfg feederConfig) *feeder {
	return &feeder{feederConfig: cfg, wake: make(chan struct{}, 1)}
}

// finished counts a rename that ended. After a quarter of the window it wakes the feed:
// by then a feed is worth its two scans of the window.
func (f *feeder) finished() {
	f.mu.Lock()
	f.sinceFed++
	f.owed++
	due := f.sinceFed >= max(f.window/4, 1)
	if due {
		f.sinceFed = 0
	}
	f.mu.Unlock()
	if due {
		f.wakeIn(0)
	}
}

// wakeIn schedules a feed after d plus FeedSettle. Sooner, the calling job would still
// look live and its rename would be skipped.
func (f *feeder) wakeIn(d time.Duration) { f.wakeAt(time.Now().Add(max(d, 0) + f.times.FeedSettle)) }

func (f *feeder) wakeAt(at time.Time) {
	f.mu.Lock()
	sooner := f.next.IsZero() || at.Before(f.next)
	if sooner {
		f.next = at
	}
	f.mu.Unlock()
	if sooner {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// run feeds until ctx ends.
func (f *feeder) run(ctx context.Context) {
	for f.sleep(ctx) {
		if err := f.feed(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("the feed waits for the database", "site", f.site.Name, "error", err)
		}
	}
}

// sleep waits for the time of the next feed. It returns false when ctx ends.
func (f *feeder) sleep(ctx context.Context) bool {
	for {
		left, known := f.take()
		if known && left <= 0 {
			return ctx.Err() == nil
		}
		var due <-chan time.Time
		if known {
			due = time.After(left)
		}
		select {
		case <-ctx.Done():
			return false
		case <-f.wake:
		case <-due:
		}
	}
}

// take returns how long the next feed has to wait, if one is wanted. One that is due
// now is taken: what wakes the feeder from now on asks for another one.
func (f *feeder) take() (left time.Duration, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next.IsZero() {
		return 0, false
	}
	if left = time.Until(f.next); left <= 0 {
		f.next = time.Time{}
	}
	return left, true
}

func (f *feeder) feed(ctx context.Context) error {
	if err := f.accept(ctx); err != nil {
		return err
	}
	if err := f.endCancelled(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, feedTime)
	defer cancel()
	began, fed := time.Now(), 0
	err := pgx.BeginFunc(ctx, f.db.Pool(), func(tx pgx.Tx) (err error) {
		p := feedParams(f.site, f.window)
		p.ProcessID, p.Running, p.Lane, p.Stale = f.process, f.running.list(f.site.Queue()), f.lane, f.times.Stale
		if fed, err = feed(ctx, tx, f.client, p); err != nil {
			return err
		}
		return f.share(ctx, tx, p)
	})
	if err == nil {
		f.metrics.Feed(fed, time.Since(began))
	}
	failpoint.Hit("fed")
	return err
}

// accept continues with a batch whose loading process is gone, some chunks at a time,
// so that its rows may be fed.
func (f *feeder) accept(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedTime)
	defer cancel()
	for range acceptChunks {
		if more, err := f.db.AcceptMore(ctx, f.site.ID); err != nil || !more {
			return err
		}
	}
	f.wakeIn(0)
	return nil
}

// endCancelled ends some rows of cancelled batches, in case the process that cancelled them is
// gone.
func (f *feeder) endCancelled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedTime)
	defer cancel()
	_, ended, err := f.db.CancelOpen(ctx, f.site.ID)
	if ended > 0 { // there may be more, and no other process ends them
		f.wakeIn(0)
	}
	return err
}

// share lets renames of later priorities go first, one for every ShareOf calls of this
// process. If nothing of a later priority waits, the debt is cleared; a batch added
// later gets no credit for earlier calls.
func (f *feeder) share(ctx context.Context, tx pgx.Tx, p db.FeedParams) error {
	f.mu.Lock()
	n := f.owed / db.ShareOf
	f.mu.Unlock()
	if n == 0 {
		return nil
	}
	promoted, err := db.Promote(ctx, tx, p, n)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owed -= n * db.ShareOf
	if promoted < n {
		f.owed = 0
	}
	return nil
}
