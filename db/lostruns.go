package db

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// QueueRun is a run of a schedule that needs a job.
type QueueRun struct {
	RunID int64
	Site  string
}

// LostRunsParams ask for the runs of a site that have no job.
type LostRunsParams struct {
	SiteID    int
	Now       time.Time
	ProcessID string        // that asks
	Working   []int64       // the runs that it works at
	Stale     time.Duration // as FeedParams
	Kind      string        // of the River job; its args carry run_id
	JobQueue  string
}

// LostRuns returns the runs that are due, that no process is working on, and that have no
// live job. It is in this package because it decides whether a job is live as Feed does.
func LostRuns(ctx context.Context, tx pgx.Tx, p LostRunsParams) ([]QueueRun, error) {
	return pg.Collect[QueueRun](ctx, tx, "reading runs without a job", statement("lost_runs"), pgx.NamedArgs{
		"site": p.SiteID, "now": p.Now, "process_id": p.ProcessID, "working": append([]int64{}, p.Working...),
		"kind": p.Kind, "queue": p.JobQueue, "stale": cmp.Or(p.Stale, ProcessStale), "soon": jobSoon,
	})
}
