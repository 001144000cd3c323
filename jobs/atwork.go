package jobs

import (
	"maps"
	"slices"
	"sync"
)

// jobsAtWork lists the River jobs that this process is running, by queue. The feed needs
// it: a job that River's table lists as running here but that is not in this list was lost
// (its fetch reply never arrived), and will never run.
type jobsAtWork struct {
	mu     sync.Mutex
	queues map[string]map[int64]struct{} // those with jobs
	idle   chan struct{}                 // gets a value when the list becomes empty, see Pool.Idle
}

func newJobsAtWork() *jobsAtWork {
	return &jobsAtWork{queues: map[string]map[int64]struct{}{}, idle: make(chan struct{}, 1)}
}

func (j *jobsAtWork) begin(queue string, id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.queues[queue] == nil {
		j.queues[queue] = map[int64]struct{}{}
	}
	j.queues[queue][id] = struct{}{}
}

func (j *jobsAtWork) end(queue string, id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.queues[queue], id)
	if len(j.queues[queue]) == 0 {
		delete(j.queues, queue)
	}
	if len(j.queues) > 0 {
		return
	}
	select {
	case j.idle <- struct{}{}:
	default: // nobody has read the last one
	}
}

func (j *jobsAtWork) list(queue string) []int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.queues[queue]))
}
