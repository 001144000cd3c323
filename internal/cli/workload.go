package cli

import (
	"context"
	"fmt"
)

// workload is what all the watched sites have to do, together.
type workload struct {
	open, paused int64
	ending       int64    // rows of cancelled batches that have not ended yet
	flying       int64    // of all these, those whose call is in flight
	runs         int64    // of schedules, that are to be brought on
	parked       int64    // of open and runs, those of parked sites
	reasons      []string // why sites are parked
}

func (w *watch) workload(ctx context.Context) (all workload, err error) {
	for _, site := range w.sites {
		one, err := w.s.SiteBacklog(ctx, site.ID)
		if err != nil {
			return all, err
		}
		runs, err := w.s.RunsToDo(ctx, site.ID)
		if err != nil {
			return all, err
		}
		all.open += one.Open
		all.paused += one.Paused
		all.flying += one.Flying
		all.ending += one.Ending
		all.runs += runs
		if one.ParkedReason != nil {
			all.parked += one.Open + runs
			all.reasons = append(all.reasons, fmt.Sprintf("site %s is parked: %s", site.Name, *one.ParkedReason))
		}
	}
	return all, nil
}

func (w workload) done() bool { return w.open+w.runs+w.ending == 0 }

// stuck tells that nothing can be sent until a person has done something.
func (w workload) stuck() bool {
	return w.open+w.runs > 0 && w.ending == 0 && w.open+w.runs == w.parked
}
