package db

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// plain reports whether all outcomes are successes, as in nearly every turn. Then two short
// statements do what finish.sql does.
func (p FinishParams) plain() bool {
	for _, f := range p.Finishes {
		if f.Status != RowSucceeded || f.Outcome != OutcomeSucceeded || !f.Called || f.Health != Well ||
			f.Failure || f.Unknown || f.Delay != 0 || f.Code != "" || f.Message != "" {
			return false
		}
	}
	return len(p.Finishes) > 0
}

// queueSucceeded is queueFinish for plain outcomes. The breakers come first, see
// lockBreakers.
func queueSucceeded(batch *pgx.Batch, p FinishParams, statuses map[int64]RowStatus) {
	n := len(p.Finishes)
	fences, codes := make([]int32, n), make([]*int, n)
	names, updates := make([]*string, n), make([]*time.Time, n)
	agos, durations := make([]float64, n), make([]float64, n)
	for i, f := range p.Finishes {
		fences[i], codes[i], names[i], updates[i] = f.Fence, f.HTTPStatus, f.AppliedName, f.LastUpdated
		agos[i], durations[i] = f.SentAgo, f.Duration
	}
	batch.Queue(statement("finish_succeeded"), pgx.NamedArgs{
		"rename_ids": p.ids(), "fences": fences, "http_statuses": codes, "applied_names": names, "last_updates": updates,
		"sent_agos": agos, "durations": durations, "process_id": p.ProcessID,
	}).Query(collectStatuses(statuses))
}
