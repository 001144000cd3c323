package jobs

import (
	"context"
	"errors"
	"time"

	"relabel/db"
)

// maxTogether bounds one statement's rows: enough for a crowd of workers, small
// enough that a lone request behind it waits a few milliseconds at most.
const maxTogether = 256

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second

	// answerTime bounds one statement, which takes milliseconds: after that the
	// connection is dead, though nobody said so, and without a bound all workers
	// would wait a quarter of an hour for TCP to notice.
	answerTime = 10 * time.Second
)

var errBatcherStopped = errors.New("stopped before the database answered")

// batcher lets all workers of a process share statements: one goroutine takes
// whatever requests wait and sends them together, then answers each. Nothing is
// delayed for it: a lone request goes at once, a crowd shares one commit.
//
// While the database does not answer, requests wait: the statement is tried
// again until it succeeds, fails for good, or the group is stopped.
type batcher[Q, A any] struct {
	requests chan request[Q, A]
	ended    chan struct{}                                  // closed when run returns: nobody answers any more
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

func newBatcher[Q, A any](send func(context.Context, []Q) ([]A, error)) *batcher[Q, A] {
	return &batcher[Q, A]{
		requests: make(chan request[Q, A], maxTogether),
		ended:    make(chan struct{}),
		send:     send,
	}
}

// do hands in a request and waits for its answer.
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
		return none, errBatcherStopped
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// run serves requests until ctx ends.
func (g *batcher[Q, A]) run(ctx context.Context) {
	defer close(g.ended)
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
	for len(crowd) < maxTogether {
		select {
		case r := <-g.requests:
			crowd = append(crowd, r)
		default:
			return crowd
		}
	}
	return crowd
}

// serve sends the crowd as one. Should that fail for good, each goes alone, so
// that one bad request spoils no other.
func (g *batcher[Q, A]) serve(ctx context.Context, crowd []request[Q, A]) {
	qs := make([]Q, len(crowd))
	for i, r := range crowd {
		qs[i] = r.q
	}
	answers, err := retryTransient(ctx, func(ctx context.Context) ([]A, error) { return g.send(ctx, qs) })
	switch {
	case err == nil:
		for i, r := range crowd {
			r.answer <- answer[A]{a: answers[i]}
		}
	case len(crowd) == 1 || ctx.Err() != nil:
		for _, r := range crowd {
			r.answer <- answer[A]{err: err}
		}
	default:
		for i := range crowd {
			g.serve(ctx, crowd[i:i+1])
		}
	}
}

// retryTransient repeats fn while its error is one that passes: the database restarts,
// the connection broke or is silent, two transactions met. Its error is
// errBatcherStopped when ctx ended first.
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
		case !db.Transient(err):
			return out, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
