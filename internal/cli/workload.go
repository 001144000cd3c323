package cli

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
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

// workload reads rows and runs of one moment: a run becomes rows, and a run whose rows have
// ended is work again.
func (w *workWatch) workload(ctx context.Context) (all workload, err error) {
	var backlogs []records.SiteBacklog
	var toDo map[int]int64
	err = w.s.InSnapshot(ctx, func(tx pgx.Tx) (err error) {
		if backlogs, err = records.Backlogs(ctx, tx, w.ids); err != nil {
			return err
		}
		toDo, err = scheduledb.RunsToDo(ctx, tx, w.ids)
		return err
	})
	if err != nil {
		return all, err
	}
	for _, one := range backlogs {
		site, runs := w.name(one.Site), toDo[one.Site]
		all.open += one.Open
		all.paused += one.Paused
		all.flying += one.Flying
		all.ending += one.Ending
		all.runs += runs
		if one.ParkedReason != nil {
			all.parked += one.Open + runs
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
