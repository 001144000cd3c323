package jobs

import (
	"maps"
	"slices"
	"sync"
)

// jobsAtWork are the River jobs that this process works at. The feed needs to
// know: a job that River's table has as running here, and that is not among
// them, was lost on the way and will never run.
type jobsAtWork struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

func newJobsAtWork() *jobsAtWork { return &jobsAtWork{ids: map[int64]struct{}{}} }

func (j *jobsAtWork) begin(id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ids[id] = struct{}{}
}

func (j *jobsAtWork) end(id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.ids, id)
}

func (j *jobsAtWork) list() []int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.ids))
}
