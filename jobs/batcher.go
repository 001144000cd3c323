package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/sourcegraph/conc"

	"relabel/db"
	"relabel/internal/pg"
)

// maxTogether bounds the rows of one statement: enough for many workers, and small
// enough that the next request waits a few milliseconds at most.
const maxTogether = 256

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second

	// answerTime bounds one statement, which takes milliseconds. After that the
	// connection is taken for dead: TCP alone would notice after a quarter of an hour,
	// and all workers would wait for it.
	answerTime = 10 * time.Second
)

var errBatcherStopped = errors.New("stopped before the database answered")

// batcher lets the workers of a process share statements. A goroutine takes all waiting
// requests, sends them as one statement, and answers each. It never waits for more: a
// single request is sent at once, and many share one commit.
type batcher[Q, A any] struct {
	most     int // requests in a statement
	requests chan request[Q, A]
	ended    chan struct{}                                  // closed when run returns: there are no answers after it
	send     func(ctx context.Context, qs []Q) ([]A, error) // answers in the order of qs
}

type request[Q, A any] struct {
	q      Q
	answer chan<- answer[A]
}

type answer[A any] struct {
	a   A
	err error
}

func newBatcher[Q, A any](most int, send func(context.Context, []Q) ([]A, error)) *batcher[Q, A] {
	return &batcher[Q, A]{
		most:     most,
		requests: make(chan request[Q, A], most),
		ended:    make(chan struct{}),
		send:     send,
	}
}

// do sends a request and waits for its answer.
func (g *batcher[Q, A]) do(ctx context.Context, q Q) (A, error) {
	back := make(chan answer[A], 1)
	var none A
	select {
	case g.requests <- request[Q, A]{q, back}:
	case <-g.ended:
		return none, errBatcherStopped
	case <-ctx.Done():
		return none, ctx.Err()
	}
	select {
	case r := <-back:
		return r.a, r.err
	case <-g.ended:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	select {
	case r := <-back: // the last statement was answered
		return r.a, r.err
	default:
		return none, errBatcherStopped
	}
}

// run serves requests until ctx ends, with so many statements at a time.
func (g *batcher[Q, A]) run(ctx context.Context, statements int) {
	defer close(g.ended)
	var all conc.WaitGroup
	for range statements {
		all.Go(func() { g.serveAll(ctx) })
	}
	all.Wait()
}

func (g *batcher[Q, A]) serveAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-g.requests:
			g.serve(ctx, g.gather(first))
		}
	}
}

func (g *batcher[Q, A]) gather(first request[Q, A]) []request[Q, A] {
	crowd := []request[Q, A]{first}
	for len(crowd) < g.most {
		select {
		case r := <-g.requests:
			crowd = append(crowd, r)
		default:
			return crowd
		}
	}
	return crowd
}

// serve sends the requests as one statement. If that fails for good, it sends each
// alone, so that one bad request does not fail the others. A lock that is not free is
// everybody's error, and so is a transient error, which comes only from a send that does
// not repeat it.
func (g *batcher[Q, A]) serve(ctx context.Context, crowd []request[Q, A]) {
	qs := make([]Q, len(crowd))
	for i, r := range crowd {
		qs[i] = r.q
	}
	answers, err := g.send(ctx, qs)
	switch {
	case err == nil:
		for i, r := range crowd {
			r.answer <- answer[A]{a: answers[i]}
		}
	case len(crowd) == 1 || ctx.Err() != nil || pg.Transient(err) || errors.Is(err, db.ErrHeldUp):
		for _, r := range crowd {
			r.answer <- answer[A]{err: err}
		}
	default:
		for i := range crowd {
			g.serve(ctx, crowd[i:i+1])
		}
	}
}

// patient makes a send that repeats the statement until it succeeds, fails for good, or the
// batcher is stopped: while the database does not answer, requests wait.
func patient[Q, A any](send func(context.Context, []Q) ([]A, error)) func(context.Context, []Q) ([]A, error) {
	return func(ctx context.Context, qs []Q) ([]A, error) {
		return retryTransient(ctx, func(ctx context.Context) ([]A, error) { return send(ctx, qs) })
	}
}

// retryTransient repeats fn while its error is transient: the database restarts, the
// connection broke or is silent, or two transactions collided. It returns
// errBatcherStopped if ctx ends first.
func retryTransient[T any](ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		trip, cancel := context.WithTimeout(ctx, answerTime)
		out, err := fn(trip)
		cancel()
		switch {
		case err == nil:
			return out, nil
		case ctx.Err() != nil:
			return out, errBatcherStopped
		case !pg.Transient(err):
			return out, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
