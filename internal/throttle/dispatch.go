package throttle

import (
	"context"
	"time"

	"relabel/db"
)

const (
	// maxSleep bounds a wait for the next free grant: another process may
	// release one early, or the API may raise the limit.
	maxSleep = time.Second

	// openFor is how long a lane without a limit lets calls through before it
	// looks again whether a 429 in another process has stopped it.
	openFor = time.Second

	// landing is what a call sent at its deadline's last moment may take to be
	// counted by the API. Its grant must count for a window from then.
	landing = 2 * time.Second

	// headersKept is how old an answer's headers may be to tell anything of the
	// API's window now, and younger than the log forgets expired grants.
	headersKept = 30 * time.Second

	// Errors of the log are retried after firstRetry, doubling to lastRetry.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second

	// answerTime bounds one trip to the log, which takes milliseconds: after
	// that the connection is dead, though nobody said so.
	answerTime = 10 * time.Second

	// farewell is what a trip may still take when the dispatcher shall end:
	// grants in an answer that nobody hears are lost to all until they expire.
	farewell = time.Second
)

// Run is the lane's dispatcher. It returns when ctx ends, having given back
// the grants nobody took. Call Stop first: waiters then leave at once.
func (l *Lane) Run(ctx context.Context) {
	defer l.Stop() // nobody serves waiters any more
	retry := firstRetry
	for ctx.Err() == nil {
		wait, err := l.turn(ctx)
		if err == nil {
			retry = firstRetry
			l.sleep(ctx, wait, l.wake)
			continue
		}
		if ctx.Err() != nil {
			return // what could not be given back expires
		}
		if retry == firstRetry { // an outage is told once
			l.cfg.Logger.Warn("no grants until the database answers again", "error", err)
		}
		l.sleep(ctx, retry, nil)
		retry = min(2*retry, lastRetry)
	}
	if err := l.clear(ctx); err != nil {
		l.cfg.Logger.Warn("unused grants were not given back: they expire", "error", err)
	}
}

// sleep ends early when something changes. A negative d waits for that alone.
func (l *Lane) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	var after <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-after:
	}
}

// turn does what there is to do and tells how long to sleep.
func (l *Lane) turn(ctx context.Context) (sleep time.Duration, err error) {
	if err := l.clear(ctx); err != nil {
		return 0, err
	}
	want := l.waiting()
	if want == 0 {
		return -1, nil
	}
	ctx, cancel := inTime(ctx)
	defer cancel()
	deadline := DeadlineIn(l.cfg.Hold)
	got, err := l.cfg.Log.Grant(ctx, db.GrantParams{
		Lane: l.cfg.Lane, ProcessID: l.cfg.ProcessID, Want: want, Hold: l.cfg.Hold + landing,
	})
	if err != nil {
		return 0, err
	}
	l.hand(got, deadline)
	return min(got.Wait, maxSleep), nil
}

// inTime bounds a trip to the log.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	trip, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(farewell, cancel) })
	return trip, func() { stop(); cancel() }
}

func (l *Lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiters)
}

// hand gives what the log gave to those who wait.
func (l *Lane) hand(got db.Grants, deadline Deadline) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if got.Blocked {
		l.blocked = now.Add(got.Wait)
	} else if l.untold.IsZero() {
		l.blocked = time.Time{}
	}
	l.openTill = time.Time{}
	if got.Limit == 0 && !now.Before(l.blocked) {
		l.openTill = now.Add(openFor)
		for l.pass(Grant{Deadline: deadline}) {
		}
	}
	for _, id := range got.IDs {
		if g := (Grant{ID: id, Deadline: deadline}); !l.pass(g) {
			l.spare = append(l.spare, g)
			l.signal()
		}
	}
}

// clear tells the log what it does not know yet: a 429, what answers said of
// the limit, and the grants nobody had a use for. All is kept until it is told.
func (l *Lane) clear(ctx context.Context) error {
	l.mu.Lock()
	seen, untold := l.seen, l.untold
	for _, g := range l.spare {
		l.returning = append(l.returning, g.ID)
	}
	l.spare = nil
	l.mu.Unlock()

	if err := l.tellBlock(ctx, untold); err != nil {
		return err
	}
	if err := l.tellSeen(ctx, seen); err != nil {
		return err
	}
	return l.giveBack(ctx)
}

func (l *Lane) tellBlock(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return nil
	}
	if left := time.Until(until); left > 0 {
		ctx, cancel := inTime(ctx)
		defer cancel()
		if err := l.cfg.Log.BlockLane(ctx, l.cfg.Lane, left); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.untold.Equal(until) {
		l.untold = time.Time{}
	}
	return nil
}

func (l *Lane) tellSeen(ctx context.Context, seen []Headers) error {
	if list := observations(seen); len(list) > 0 {
		ctx, cancel := inTime(ctx)
		defer cancel()
		if err := l.cfg.Log.Observe(ctx, l.cfg.Lane, list); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = l.seen[len(seen):]
	return nil
}

func observations(seen []Headers) (list []db.Observation) {
	for _, h := range seen {
		if ago := time.Since(h.SentAt); ago < headersKept {
			list = append(list, db.Observation{
				Limit: h.Limit, Remaining: h.Remaining, SentAgo: ago.Seconds(), Refused: h.Refused,
			})
		}
	}
	return list
}

// giveBack returns grants to all processes. An error may hide that they are
// given back already, so they are not used here again.
func (l *Lane) giveBack(ctx context.Context) error {
	if len(l.returning) == 0 {
		return nil
	}
	ctx, cancel := inTime(ctx)
	defer cancel()
	if err := l.cfg.Log.ReleaseGrants(ctx, l.returning); err != nil {
		return err
	}
	l.returning = nil
	return nil
}
