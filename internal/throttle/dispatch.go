package throttle

import (
	"context"
	"slices"
	"time"

	"relabel/db"
)

const (
	// maxSleep bounds the wait for the next grant. Another process may release one
	// early, or the API may raise the limit.
	maxSleep = time.Second

	// pollTogether lets lanes that only look again do so at the same moments, so that they
	// share a statement.
	pollTogether = 250 * time.Millisecond

	// openFor is how long a lane without a limit gives free grants. Then it checks
	// again whether another process got a 429.
	openFor = time.Second

	// arrivalTime is how long a call that is sent just before its deadline may take
	// until the API counts it. Its grant must count for a whole window after that.
	arrivalTime = 2 * time.Second

	// maxHeaderAge is how old headers may be to say something about the API's
	// present window. The log keeps expired grants for longer than this.
	maxHeaderAge = 30 * time.Second

	// Errors of the log are retried after firstRetry, doubling to lastRetry.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second

	// logTimeout bounds one request to the log, which normally takes milliseconds.
	// After that the connection is taken for dead.
	logTimeout = 10 * time.Second

	// stopGrace is how long a request to the log may go on while the dispatcher
	// stops. Grants in an answer that nobody reads are lost until they expire.
	stopGrace = time.Second
)

// Run is the lane's dispatcher. When ctx ends it returns the unused grants to the
// log, and ends. Call Stop before that, so that waiters leave at once.
func (l *Lane) Run(ctx context.Context) {
	defer l.Stop() // without a dispatcher nobody gets a grant
	retry := firstRetry
	for ctx.Err() == nil {
		wait, err := l.step(ctx)
		if err == nil {
			retry = firstRetry
			l.sleep(ctx, wait, l.wake)
			continue
		}
		if ctx.Err() != nil {
			return // grants that could not be returned expire
		}
		if retry == firstRetry { // log an outage once
			l.cfg.Logger.Warn("no grants until the database answers again", "error", err)
		}
		l.sleep(ctx, retry, nil)
		retry = min(2*retry, lastRetry)
	}
	if err := l.flush(ctx); err != nil {
		l.cfg.Logger.Warn("unused grants were not returned: they will expire", "error", err)
	}
}

// sleep waits for d, or until wake or ctx ends it earlier. A negative d means no
// time limit.
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

// step reports to the log, and requests grants for those who wait. It returns how
// long to sleep before the next step.
func (l *Lane) step(ctx context.Context) (sleep time.Duration, err error) {
	if err := l.flush(ctx); err != nil {
		return 0, err
	}
	want := l.waiting()
	if want == 0 {
		return -1, nil
	}
	if left := time.Until(l.fullUntil); left > 0 {
		return left, nil
	}
	ctx, cancel := LogContext(ctx)
	defer cancel()
	deadline := DeadlineIn(l.cfg.Hold)
	got, err := l.cfg.Log.Grant(ctx, db.GrantParams{
		Lane: l.cfg.Lane, ProcessID: l.cfg.ProcessID, Want: want, Hold: l.cfg.Hold + arrivalTime,
	})
	if err != nil {
		return 0, err
	}
	l.distribute(got, deadline)
	now := time.Now()
	wait := got.Wait
	if wait > maxSleep {
		wait = maxSleep - time.Duration(now.UnixNano()%int64(pollTogether))
	}
	l.limit, l.fullUntil = got.Limit, now.Add(wait)
	return wait, nil
}

// LogContext bounds one request to the log: by logTimeout, and by stopGrace once
// ctx has ended.
func LogContext(ctx context.Context) (context.Context, context.CancelFunc) {
	request, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })
	return request, func() { stop(); cancel() }
}

func (l *Lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiters)
}

// distribute gives the log's grants to those who wait.
func (l *Lane) distribute(got db.Grants, deadline Deadline) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if got.Blocked {
		l.blockedUntil = now.Add(got.Wait)
	} else if l.pendingBlock.IsZero() {
		l.blockedUntil = time.Time{}
	}
	l.openUntil = time.Time{}
	if got.Limit == 0 && !now.Before(l.blockedUntil) {
		l.openUntil = now.Add(openFor)
		for l.offer(Grant{Deadline: deadline}) {
		}
	}
	for _, id := range got.IDs {
		if g := (Grant{ID: id, Deadline: deadline}); !l.offer(g) {
			l.unused = append(l.unused, g)
			l.signal()
		}
	}
}

// flush reports to the log what it does not know yet: a 429, the headers of
// answers, and unused grants. Each is kept until the log has it.
func (l *Lane) flush(ctx context.Context) error {
	l.mu.Lock()
	headers, block := l.headers, l.pendingBlock
	for _, g := range l.unused {
		l.returning = append(l.returning, g.ID)
	}
	l.unused = nil
	l.mu.Unlock()

	if err := l.reportBlock(ctx, block); err != nil {
		return err
	}
	if err := l.reportHeaders(ctx, headers); err != nil {
		return err
	}
	return l.returnUnused(ctx)
}

func (l *Lane) reportBlock(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return nil
	}
	if left := time.Until(until); left > 0 {
		ctx, cancel := LogContext(ctx)
		defer cancel()
		if err := l.cfg.Log.BlockLane(ctx, l.cfg.Lane, left); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pendingBlock.Equal(until) {
		l.pendingBlock = time.Time{}
	}
	return nil
}

func (l *Lane) reportHeaders(ctx context.Context, headers []Headers) error {
	if list := observations(headers); len(list) > 0 {
		ctx, cancel := LogContext(ctx)
		defer cancel()
		if err := l.cfg.Log.Observe(ctx, l.cfg.Lane, list); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.headers = l.headers[len(headers):]
	if slices.ContainsFunc(headers, func(h Headers) bool { return h.Limit != l.limit }) {
		l.fullUntil = time.Time{} // there may be room now
	}
	return nil
}

func observations(headers []Headers) (list []db.Observation) {
	for _, h := range headers {
		if ago := time.Since(h.SentAt); ago < maxHeaderAge {
			list = append(list, db.Observation{
				Limit: h.Limit, Remaining: h.Remaining, SentAgo: ago.Seconds(), Refused: h.Refused,
			})
		}
	}
	return list
}

// returnUnused makes unused grants available to all processes. If it fails, the log
// may have them back all the same, so this process never uses them again.
func (l *Lane) returnUnused(ctx context.Context) error {
	if len(l.returning) == 0 {
		return nil
	}
	ctx, cancel := LogContext(ctx)
	defer cancel()
	if err := l.cfg.Log.ReleaseGrants(ctx, l.returning); err != nil {
		return err
	}
	l.returning, l.fullUntil = nil, time.Time{}
	return nil
}
