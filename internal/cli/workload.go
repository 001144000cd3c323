package cli

import (
	"context"
	"slices"

	"relabel/internal/records"
	"relabel/internal/report"
)

// workload is the work left for all watched sites together.
type workload struct {
	open, paused int64
	ending       int64 // rows of cancelled batches that have not ended
	flying       int64 // rows whose call is in flight
	runs         int64 // runs of schedules that are not finished
	parked       int64 // of open and runs, how many belong to parked sites
	parkedSites  []string
	reasons      []string // why these are parked
}

func (w *workWatch) workload(ctx context.Context) (all workload, err error) {
	sites, ids := w.watched()
	backlogs, err := records.Backlogs(ctx, w.s.DB, ids)
	if err != nil {
		return all, err
	}
	for _, one := range backlogs {
		site := sites[slices.Index(ids, one.Site)].Name
		all.open += one.Open
		all.paused += one.Paused
		all.flying += one.Flying
		all.ending += one.Ending
		all.runs += one.Runs
		if one.ParkedReason != nil {
			all.parked += one.Open + one.Runs
			all.parkedSites = append(all.parkedSites, site)
			all.reasons = append(all.reasons, "site "+site+" is "+report.ParkedSince(site, *one.ParkedReason, *one.ParkedAt, one.Now))
		}
	}
	return all, nil
}

func (w workload) done() bool { return w.open+w.runs+w.ending == 0 }

// stuck reports that nothing can be sent before a person acts.
func (w workload) stuck() bool {
	return w.open+w.runs > 0 && w.ending == 0 && w.open+w.runs == w.parked
}
