package jobs

import (
	"maps"
	"slices"
	"sync"
)

// jobsAtWork lists the River jobs that this process is running. The feed needs it: a
// job that River's table lists as running here but that is not in this list was lost
// (its fetch reply never arrived), and will never run.
type jobsAtWork struct {
	mu   sync.Mutex
	ids  map[int64]struct{}
	idle chan struct{} // gets a value when the list becomes empty, see Pool.Idle
}

func newJobsAtWork() *jobsAtWork {
	return &jobsAtWork{ids: map[int64]struct{}{}, idle: make(chan struct{}, 1)}
}

func (j *jobsAtWork) begin(id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ids[id] = struct{}{}
}

func (j *jobsAtWork) end(id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.ids, id)
	if len(j.ids) > 0 {
		return
	}
	select {
	case j.idle <- struct{}{}:
	default: // nobody has read the last one
	}
}

func (j *jobsAtWork) list() []int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.ids))
}
