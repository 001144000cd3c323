package db

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Health is what an outcome says about the API of a site.
type Health string

// The kinds of health. An outcome that says nothing about the API has none.
const (
	Well Health = "well" // it answered, whatever the answer was
	Ill  Health = "ill"  // a transient failure; so many in a row open the breaker
)

// Finish is the result of one claim: the attempt, and the row's new status, which is
// final, or pending to be tried again after Delay.
//
// Durations are seconds, measured by the process; the database turns them into
// times by its own clock.
type Finish struct {
	RenameID    int64      `json:"rename_id"`
	Fence       int32      `json:"fence"`
	Status      RowStatus  `json:"status"`
	Delay       float64    `json:"delay,omitempty"`
	Failure     bool       `json:"failure,omitempty"` // counts against the limit of real failures
	Health      Health     `json:"health,omitempty"`
	Unknown     bool       `json:"unknown,omitempty"` // the call might still land
	Called      bool       `json:"called,omitempty"`  // false: the call was never made; no attempt to record
	SentAgo     float64    `json:"sent_ago"`
	Duration    float64    `json:"duration"`
	Outcome     Outcome    `json:"outcome"`
	HTTPStatus  *int       `json:"http_status,omitempty"`
	Code        string     `json:"code,omitempty"`
	Message     string     `json:"message,omitempty"`
	AppliedName *string    `json:"applied_name,omitempty"`
	LastUpdated *time.Time `json:"last_updated,omitempty"`
	GrantID     int64      `json:"-"` // see settleSQL
	AnsweredAgo float64    `json:"-"`
}

// FinishParams are the outcomes for one statement, and the rules to apply.
type FinishParams struct {
	ProcessID    string
	Finishes     []Finish
	BreakerLimit int           // transient failures in a row that open the breaker; 0: never
	Quarantine   time.Duration // how long a call of unknown outcome might still land
}

// ids are the renames of the outcomes.
func (p FinishParams) ids() []int64 {
	ids := make([]int64, len(p.Finishes))
	for i, f := range p.Finishes {
		ids[i] = f.RenameID
	}
	return ids
}

// ill reports whether an outcome counts against a breaker.
func (p FinishParams) ill() bool {
	return slices.ContainsFunc(p.Finishes, func(f Finish) bool { return f.Health == Ill })
}

// queueFinish records several outcomes (finish.sql), and sets the status that each row
// got. A row whose lease was lost is left out. The statement may be sent again after a lost
// connection: the fence and the attempt's key keep it from changing anything twice.
func queueFinish(batch *pgx.Batch, p FinishParams, statuses map[int64]RowStatus) {
	batch.Queue(statement("finish"), pgx.NamedArgs{
		"finishes": p.Finishes, "rename_ids": p.ids(), "process_id": p.ProcessID,
		"breaker_limit": p.BreakerLimit, "quarantine": p.Quarantine, "probe_every": ProbeEvery,
	}).Query(collectStatuses(statuses))
}

// settleSQL ends grants: Webflow counts a call for one window from its answer at the
// latest. The ids are given twice, for the plan: a log of a day may hold a million grants,
// and a join alone is planned as a read of them all.
const settleSQL = `
UPDATE lane_grant g SET expires_at = clock_timestamp() - f.answered_ago * interval '1 second' + g.call_window
FROM unnest(@grant_ids::bigint[], @answered_agos::float8[]) AS f (id, answered_ago)
WHERE g.id = f.id AND g.id = ANY (@grant_ids)`

// queueSettle ends the grants of the calls. It comes last in a turn, in the order of locks.
func queueSettle(batch *pgx.Batch, p FinishParams) {
	var ids []int64
	var agos []float64
	for _, f := range p.Finishes {
		if f.GrantID != 0 {
			ids, agos = append(ids, f.GrantID), append(agos, f.AnsweredAgo)
		}
	}
	if len(ids) > 0 {
		batch.Queue(settleSQL, pgx.NamedArgs{"grant_ids": ids, "answered_agos": agos})
	}
}

func collectStatuses(statuses map[int64]RowStatus) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var id int64
		var status RowStatus
		_, err := pgx.ForEachRow(rows, []any{&id, &status}, func() error {
			statuses[id] = status
			return nil
		})
		return err
	}
}
