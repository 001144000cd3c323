package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
)

const (
	// fewQueues is how many queues a process works all the time. River polls each queue
	// that a process works, so a process of a thousand sites works only those that have
	// something to do.
	fewQueues = 32

	// leaveTime bounds how long leaving a queue waits for its jobs: no other queue can be
	// joined meanwhile. A queue that is not left in time is left at a later look.
	leaveTime = time.Second
)

// queues is the River queues of a process: those that it works now, and those that it
// joins when there is something to do.
type queues struct {
	bundle  *river.QueueBundle
	workers map[string]int // of all queues

	mu     sync.Mutex
	joined map[string]*membership
	absent map[string]bool // left to other processes, see absence
}

// membership is a queue that River works for this process.
type membership struct {
	busy    time.Time // the last moment with something to do
	leaving bool      // it fetches no more, and jobs of it may still run
}

// newQueues chooses the queues to begin with: all of them, or the first few.
func newQueues(workers map[string]int) *queues {
	q := &queues{workers: workers, joined: map[string]*membership{}, absent: map[string]bool{}}
	names := slices.Sorted(maps.Keys(workers))
	for _, name := range names[:min(len(names), fewQueues)] {
		q.joined[name] = &membership{busy: time.Now()}
	}
	return q
}

// atStart returns the queues to begin with, for River's configuration.
func (q *queues) atStart() map[string]river.QueueConfig {
	out := map[string]river.QueueConfig{}
	for name := range q.joined {
		out[name] = river.QueueConfig{MaxWorkers: q.workers[name]}
	}
	return out
}

// few reports whether all queues are worked all the time.
func (q *queues) few() bool { return len(q.names()) <= fewQueues }

// names returns all queues.
func (q *queues) names() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Keys(q.workers))
}

// include adds queues, and works them from now on if that makes no more than the few.
func (q *queues) include(ctx context.Context, workers map[string]int) (err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, n := range workers {
		q.workers[name] = n
		if len(q.workers) <= fewQueues {
			err = errors.Join(err, q.add(ctx, name))
		}
	}
	return err
}

// exclude is leave for ever. An error means that jobs of the queue still run: call it again.
func (q *queues) exclude(ctx context.Context, name string) error {
	if err := q.leave(ctx, name); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.workers, name)
	delete(q.absent, name)
	return nil
}

// join works those queues that have something to do now.
func (q *queues) join(ctx context.Context, names []string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var failed error
	for _, name := range names {
		if q.absent[name] {
			continue
		}
		failed = errors.Join(failed, q.add(ctx, name))
	}
	return failed
}

// leaveIdle leaves queues that had nothing to do since then, down to the few that are
// always worked.
func (q *queues) leaveIdle(ctx context.Context, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, m := range q.joined {
		if len(q.joined) <= fewQueues {
			return
		}
		if m.busy.Before(since) {
			_ = q.remove(ctx, name) // jobs of it still run: a later look tries again
		}
	}
}

// leave leaves a queue to other processes, until comeBack. An error means that jobs of it
// still run: call it again.
func (q *queues) leave(ctx context.Context, name string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.absent[name] = true
	return q.remove(ctx, name)
}

func (q *queues) comeBack(ctx context.Context, name string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.absent, name)
	return q.add(ctx, name)
}

// add works a queue; q.mu is held. A queue that is being left has to be left first.
func (q *queues) add(ctx context.Context, name string) error {
	if m, ok := q.joined[name]; ok && !m.leaving {
		m.busy = time.Now()
		return nil
	}
	if err := q.remove(ctx, name); err != nil {
		return err
	}
	if err := q.bundle.Add(name, river.QueueConfig{MaxWorkers: q.workers[name]}); err != nil {
		return fmt.Errorf("error working the queue %s: %w", name, err)
	}
	q.joined[name] = &membership{busy: time.Now()}
	return nil
}

// remove stops working a queue; q.mu is held. River's Remove stops the fetching at once,
// and waits for the jobs.
func (q *queues) remove(ctx context.Context, name string) error {
	m, ok := q.joined[name]
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	m.leaving = true
	if err := q.bundle.Remove(ctx, name); err != nil {
		return fmt.Errorf("error leaving the queue %s: %w", name, err)
	}
	delete(q.joined, name)
	return nil
}
