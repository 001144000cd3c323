// Package notice owns notices: messages about changes of schedules, sites and batches, to
// web hooks and mail addresses. A notice is a row of the table notice. It is inserted in the
// transaction of its change, so a change makes exactly one notice for each address.
//
//   - Package scheduledb inserts the notices of schedules. Triggers of migration 022 insert
//     those about batches, sites and breakers. Watch finds sites that no process works, and
//     marks them as stalled.
//   - Sender delivers notices. Each process of work, run and serve has one. Start starts it;
//     Stop delivers what is still due.
//   - post.go sends to web hooks, mail.go to mail servers.
//   - Check refuses wrong addresses before they are stored. Shown returns an address without
//     its secrets.
//
// Delivery is at least once: if a process is killed after it has sent a notice, another
// process sends it again with the same id.
package notice

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/failpoint"
	"relabel/internal/text"
)

const (
	// lookEvery is how often a process looks for notices that are due. An idle process sends
	// two statements a second; this is a tenth of one.
	lookEvery = 10 * time.Second

	// watchEvery is how often a process looks for sites that no process works.
	watchEvery = 30 * time.Second

	// othersAfter is how long only the processes that work a notice's site deliver it. They
	// are more likely to have the headers and passwords for its address.
	othersAfter = 20 * time.Second

	// tryTimeout bounds one try as a whole.
	tryTimeout = 10 * time.Second

	// atOnce is how many notices a process delivers at the same time, so that one slow
	// address does not hold up the others.
	atOnce = 10

	// dbTimeout bounds a statement, which takes milliseconds.
	dbTimeout = 10 * time.Second
)

// delays returns the wait after each failed try. There are nine tries in all, over a day.
// The first is longer than a try, so that no other process tries at the same time.
func delays() []time.Duration {
	return []time.Duration{
		failpoint.Time("notice-retry", 20*time.Second), time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
}

// Config of a Sender.
type Config struct {
	DB     *db.DB
	Sites  func() []int // those that the process works now; nil: none
	Notify config.Notify
	Logger *slog.Logger

	roots *x509.CertPool // of mail servers; nil: the system's
}

func (c Config) sites() []int {
	if c.Sites == nil {
		return []int{}
	}
	return append([]int{}, c.Sites()...)
}

// Sender delivers notices.
type Sender struct {
	cfg    Config
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Start starts a Sender. It works until Stop.
func Start(ctx context.Context, cfg Config) *Sender {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Sender{cfg: cfg, cancel: cancel}
	s.done.Go(func() { s.loop(ctx) })
	return s
}

// Stop ends the loop and delivers the notices that are due. The end of a run makes some,
// and perhaps no other process is running.
func (s *Sender) Stop() {
	s.cancel()
	s.done.Wait()
	if err := Deliver(context.Background(), s.cfg); err != nil {
		s.cfg.Logger.Warn("notices could not be delivered; the next process that runs tries again", "error", err)
	}
}

func (s *Sender) loop(ctx context.Context) {
	look := time.NewTicker(failpoint.Time("notices", lookEvery))
	defer look.Stop()
	watch := time.NewTicker(failpoint.Time("watch", watchEvery))
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-watch.C:
			s.warn(ctx, Watch(ctx, s.cfg.DB))
		case <-look.C: // not ctx: a try that is cut off would be made again, and the receiver gets the notice twice
			s.warn(ctx, Deliver(context.WithoutCancel(ctx), s.cfg))
		}
	}
}

func (s *Sender) warn(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("notices wait for the database", "error", err)
	}
}

// Deliver makes one try for each notice that is due. If the result can't be recorded, the notice
// is sent again when its next try is due.
func Deliver(ctx context.Context, cfg Config) error {
	list, err := take(ctx, cfg)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		failpoint.Hit("notice-taken")
	}
	tries := pool.New().WithErrors().WithMaxGoroutines(atOnce)
	for _, n := range list {
		tries.Go(func() error {
			failed := cfg.send(ctx, n)
			failpoint.Hit("notice-sent")
			return cfg.record(ctx, n, failed)
		})
	}
	return tries.Wait()
}

// send makes one try.
func (c Config) send(ctx context.Context, n notice) error {
	if n.URL == "" {
		return errNoAddress
	}
	u, err := parse(n.URL, c.Notify.AllowPrivate)
	if err != nil {
		return err
	}
	m, err := c.message(ctx, n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if isMail(u) {
		return c.mail(ctx, u, m)
	}
	return c.post(ctx, u, m)
}

// errNoAddress ends a notice whose address was removed meanwhile.
var errNoAddress = errors.New("the address was removed")

// record records the result of a try.
func (c Config) record(ctx context.Context, n notice, failed error) error {
	if failed == nil {
		return sent(ctx, c.DB, n.ID)
	}
	level := slog.LevelWarn
	if n.URL == "" {
		level = slog.LevelInfo
	}
	c.Logger.Log(ctx, level, "a notice could not be delivered", "site", n.Site, "schedule", n.Schedule, "event", n.Event,
		"to", Shown(n.URL), "try", n.Tries, "error", failed)
	return notSent(ctx, c.DB, n.ID, text.CleanLine(failed.Error()), n.URL == "")
}
