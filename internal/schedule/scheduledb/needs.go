package scheduledb

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Needs says what the schedules of a site need from a worker.
type Needs struct {
	Site  int
	Runs  bool       // runs are open: TendRuns
	Tidy  bool       // earlier runs can be tidied up: TidyRuns
	DueAt *time.Time // when the next schedule is due; nil: never
}

// needsSQL is served by the indexes of schedule and schedule_run by site, schedule and
// state, which are empty or small when nothing is to be done.
const needsSQL = `
SELECT * FROM (
	SELECT s.id AS site,
		EXISTS (
			SELECT FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.finished_at IS NULL
			WHERE c.site_id = s.id) AS runs,
		EXISTS (SELECT FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.drops_plan WHERE c.site_id = s.id)
		OR EXISTS (
			SELECT FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.batch_id IS NOT NULL AND NOT r.thinned
			JOIN batch b ON b.id = r.batch_id
			WHERE c.site_id = s.id AND r.finished_at IS NOT NULL AND NOT r.drops_plan AND b.finished_at IS NOT NULL) AS tidy,
		(SELECT c.next_run_at FROM schedule c WHERE c.site_id = s.id AND c.next_run_at IS NOT NULL
			ORDER BY c.next_run_at LIMIT 1) AS due_at
	FROM unnest(@sites::int[]) AS s (id)
) s
WHERE runs OR tidy OR due_at IS NOT NULL`

// ReadNeeds reads what some sites need; those that need nothing are left out.
func ReadNeeds(ctx context.Context, d *db.DB, sites []int) ([]Needs, error) {
	return pg.Collect[Needs](ctx, d.Pool(), "reading what schedules need", needsSQL, pgx.NamedArgs{"sites": sites})
}
