package scheduledb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Run is one run of a schedule. While it is sending, its counts are the current
// ones of its batch.
type Run struct {
	Run         int64      `json:"run"`
	Schedule    string     `json:"schedule"`
	DueAt       time.Time  `json:"due_at"`
	ByHand      bool       `json:"by_hand"`
	Status      RunStatus  `json:"status"`
	Batch       *int64     `json:"batch"`
	StartedAt   *time.Time `json:"started_at"`
	FinishedAt  *time.Time `json:"finished_at"`
	Missed      int        `json:"missed"` // the number of missed runs, the first of them at DueAt
	LookedAt    int64      `json:"looked_at"`
	Different   int64      `json:"different"`
	Renamed     int64      `json:"renamed"`
	Failed      int64      `json:"failed"`
	Conflicts   int64      `json:"conflicts"`
	Invalid     int64      `json:"invalid"`
	Reads       int64      `json:"reads"`
	Writes      int64      `json:"writes"`
	RateLimited int64      `json:"rate_limited"`
	Note        *string    `json:"note"`
	Error       *string    `json:"error"`
	Now         time.Time  `json:"-"`
}

// Calls is what the run has used of the limit.
func (r Run) Calls() int64 { return r.Reads + r.Writes }

// Duration is how long the run took, or takes by now.
func (r Run) Duration() time.Duration {
	switch {
	case r.StartedAt == nil:
		return 0
	case r.FinishedAt != nil:
		return r.FinishedAt.Sub(*r.StartedAt)
	}
	return r.Now.Sub(*r.StartedAt)
}

const runSQL = `
	SELECT r.id AS run, c.name AS schedule, r.due_at, r.by_hand, r.status, r.batch_id AS batch, r.started_at, r.finished_at,
		r.missed, r.looked_at, r.different,
		CASE WHEN r.status = 'sending' THEN b.succeeded ELSE r.renamed END AS renamed,
		CASE WHEN r.status = 'sending' THEN b.failed ELSE r.failed END AS failed,
		CASE WHEN r.status = 'sending' THEN b.conflict ELSE r.conflicts END AS conflicts,
		CASE WHEN r.status = 'sending' THEN b.invalid ELSE r.invalid END AS invalid, r.reads,
		CASE WHEN r.status = 'sending' THEN b.calls ELSE r.writes END AS writes,
		CASE WHEN r.status = 'sending' THEN b.rate_limited ELSE r.rate_limited END AS rate_limited,
		r.note, r.error, clock_timestamp() AS now
	FROM schedule_run r JOIN schedule c ON c.id = r.schedule_id LEFT JOIN batch b ON b.id = r.batch_id `

// Runs lists a schedule's runs, the newest first.
func Runs(ctx context.Context, d *db.DB, scheduleID, limit int) ([]Run, error) {
	return pg.Collect[Run](ctx, d.Pool(), "reading the schedule's history",
		runSQL+`WHERE r.schedule_id = @id ORDER BY r.id DESC LIMIT @limit`, pgx.NamedArgs{"id": scheduleID, "limit": limit})
}

// LastRun is a schedule's newest run; nil when it never ran.
func LastRun(ctx context.Context, d *db.DB, scheduleID int) (*Run, error) {
	list, err := Runs(ctx, d, scheduleID, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// LastResult is a schedule's newest run that did not only pass: it was neither skipped
// nor missed. It is nil when there is none.
func LastResult(ctx context.Context, d *db.DB, scheduleID int) (*Run, error) {
	list, err := pg.Collect[Run](ctx, d.Pool(), "reading the schedule's last result",
		runSQL+`WHERE r.schedule_id = @id AND r.status <> ALL (@passed::text[]) ORDER BY r.id DESC LIMIT 1`,
		pgx.NamedArgs{"id": scheduleID, "passed": []string{string(RunSkipped), string(RunMissed)}})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// ofBatchesSQL is served by schedule_run_batch_idx.
const ofBatchesSQL = `
SELECT r.batch_id AS batch, c.name AS schedule FROM schedule_run r JOIN schedule c ON c.id = r.schedule_id
WHERE r.batch_id = ANY (@batches)`

// OfBatches names the schedules whose runs loaded some batches.
func OfBatches(ctx context.Context, d *db.DB, batches []int64) (map[int64]string, error) {
	type loader struct {
		Batch    int64
		Schedule string
	}
	list, err := pg.Collect[loader](ctx, d.Pool(), "reading the schedules of batches", ofBatchesSQL, pgx.NamedArgs{"batches": batches})
	names := map[int64]string{}
	for _, l := range list {
		names[l.Batch] = l.Schedule
	}
	return names, err
}

// RunByID reads one run.
func RunByID(ctx context.Context, d *db.DB, id int64) (Run, error) {
	return readRun(ctx, d.Pool(), id)
}

func readRun(ctx context.Context, q pg.Querier, id int64) (Run, error) {
	list, err := pg.Collect[Run](ctx, q, "reading the run", runSQL+`WHERE r.id = @id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return Run{}, err
	}
	if len(list) == 0 {
		return Run{}, fmt.Errorf("error reading the run: there is no run %d", id)
	}
	return list[0], nil
}

// RunNow starts a run now. The schedule's rule for overlaps applies. A worker process
// takes the run up at its next turn.
func RunNow(ctx context.Context, d *db.DB, scheduleID int) (run Run, err error) {
	err = pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
		list, err := pg.Collect[Schedule](ctx, tx, "reading the schedule",
			scheduleSQL+`WHERE c.id = @id FOR NO KEY UPDATE OF c`, pgx.NamedArgs{"id": scheduleID})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return noSchedule(fmt.Sprint(scheduleID))
		}
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
			return fmt.Errorf("error reading the database's clock: %w", err)
		}
		id, _, err := startRun(ctx, tx, list[0], now, true)
		if err != nil {
			return err
		}
		// Read here: after an error behind the commit a person would start it again.
		run, err = readRun(ctx, tx, id)
		return err
	})
	if err != nil {
		return Run{}, err
	}
	return run, nil
}

// startRun makes a run of a locked schedule, by the schedule's rule for overlaps; open is
// true when the run begins now.
func startRun(ctx context.Context, tx pgx.Tx, s Schedule, due time.Time, byHand bool) (id int64, open bool, err error) {
	under, err := pg.Collect[openRun](ctx, tx, "reading the runs under way", `
		SELECT id, status FROM schedule_run
		WHERE schedule_id = @id AND finished_at IS NULL AND status <> 'held' ORDER BY id`, pgx.NamedArgs{"id": s.ID})
	if err != nil {
		return 0, false, err
	}
	status, note := RunReading, ""
	if len(under) > 0 {
		first, last := under[0], under[len(under)-1]
		switch {
		case s.Overlap == "cancel":
			if err := cancelRuns(ctx, tx, s.ID, "a newer run took its place"); err != nil {
				return 0, false, err
			}
		case s.Overlap == "queue" && last.Status != RunWaiting:
			status, note = RunWaiting, fmt.Sprintf("waits for run %d", first.ID)
		default:
			status, note = RunSkipped, fmt.Sprintf("run %d was still under way", first.ID)
		}
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO schedule_run (schedule_id, due_at, by_hand, status, note, finished_at)
		VALUES (@schedule, @due, @by_hand, @status, nullif(@note, ''), CASE WHEN @status = 'skipped' THEN clock_timestamp() END)
		RETURNING id`,
		pgx.NamedArgs{"schedule": s.ID, "due": due, "by_hand": byHand, "status": status, "note": note}).Scan(&id)
	if err != nil {
		return 0, false, fmt.Errorf("error starting a run of %s: %w", s.Name, err)
	}
	return id, status == RunReading, nil
}

type openRun struct {
	ID     int64
	Status RunStatus
}

type cancelledRun struct {
	ID      int64
	BatchID *int64
}

// cancelRuns ends the runs of a schedule that are under way, and then cancels their
// batches. In this order: a run that is just beginning to send holds its row until it
// does (LockRun), so the second statement sees its batch.
func cancelRuns(ctx context.Context, tx pgx.Tx, scheduleID int, why string) error {
	runs, err := pg.Collect[cancelledRun](ctx, tx, "cancelling earlier runs", `
		UPDATE schedule_run SET status = 'cancelled', finished_at = clock_timestamp(), process_id = NULL, note = @why,
			drops_plan = batch_id IS NOT NULL
		WHERE schedule_id = @id AND finished_at IS NULL AND status <> 'held'
		RETURNING id, batch_id`, pgx.NamedArgs{"id": scheduleID, "why": why})
	if err != nil {
		return err
	}
	var ids, batches []int64
	for _, r := range runs {
		if r.BatchID != nil {
			ids, batches = append(ids, r.ID), append(batches, *r.BatchID)
		}
	}
	err = db.CancelBatches(ctx, tx, batches, why)
	if err == nil {
		_, err = tx.Exec(ctx, `
			UPDATE schedule_run r SET renamed = b.succeeded, failed = b.failed, writes = b.calls
			FROM batch b WHERE r.id = ANY (@runs) AND b.id = r.batch_id`, pgx.NamedArgs{"runs": ids})
	}
	if err != nil {
		return fmt.Errorf("error cancelling the batches of earlier runs: %w", err)
	}
	return nil
}

// recordState records the state of a schedule. When it has changed, and the schedule has a
// notify URL, it makes a notice.
func recordState(ctx context.Context, tx pgx.Tx, runID int64, state, detail string) error {
	_, err := tx.Exec(ctx, `
		WITH was AS (
			SELECT c.id, c.state, c.notify_url FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id
			WHERE r.id = @run FOR NO KEY UPDATE OF c
		), changed AS (
			UPDATE schedule c SET state = @state FROM was WHERE c.id = was.id AND was.state <> @state
			RETURNING c.id, was.notify_url
		)
		INSERT INTO notice (schedule_id, run_id, event, detail)
		SELECT id, @run, CASE @state WHEN 'ok' THEN 'recovered' ELSE @state END, @detail
		FROM changed WHERE notify_url IS NOT NULL`,
		pgx.NamedArgs{"run": runID, "state": state, "detail": detail})
	if err != nil {
		return fmt.Errorf("error recording the state of the schedule: %w", err)
	}
	return nil
}

// ErrRunLost means that a run does not belong to this claim any more: it was cancelled,
// or another process has taken it.
var ErrRunLost = errors.New("the run is not ours any more")
