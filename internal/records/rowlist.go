package records

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Row is a row of a batch as lists show it, with the state of its River job.
type Row struct {
	ID           int64          `json:"id"`
	Batch        int64          `json:"batch"`
	BatchName    string         `json:"batch_name"`
	BatchStatus  db.BatchStatus `json:"batch_status"`
	Site         string         `json:"site"`
	Line         int64          `json:"line"`
	AssetID      string         `json:"asset_id"`
	LocaleID     string         `json:"locale_id"`
	DisplayName  *string        `json:"display_name"`
	AltText      *string        `json:"alt_text"`
	Status       db.RowStatus   `json:"status"`
	JobState     *string        `json:"job_state"` // of its River job that waits or runs; nil: it has none
	HTTPStatus   *int           `json:"http_status"`
	Attempts     int            `json:"attempts"`
	Failures     int            `json:"failures"`
	BeforeName   *string        `json:"before_name"`
	AppliedName  *string        `json:"applied_name"`
	Error        *string        `json:"error"`
	NotBefore    *time.Time     `json:"not_before"`
	CancelledAt  *time.Time     `json:"cancelled_at"`
	RetriedAt    *time.Time     `json:"retried_at"`
	FinishedAt   *time.Time     `json:"finished_at"`
	SupersededBy *int64         `json:"superseded_by"`
}

// RowQuery asks for a page of rows.
type RowQuery struct {
	RowFilter

	Sort   RowSort // empty: the filter's own
	Cursor string  // RowPage.Next of the page before; empty: the first page
	Limit  int     // rows; 0: 50
	Look   int64   // rows that it examines at most; 0: 50,000
}

// RowPage is a page of rows. A filter that no index serves is compared row by row, so a
// page may end before it is full: Looked rows were examined, and Next goes on after them.
type RowPage struct {
	Rows   []Row  `json:"jobs"`
	Next   string `json:"next"`   // the cursor of the next page; empty: this is the last one
	Full   bool   `json:"full"`   // it has Limit rows
	Looked int64  `json:"looked"` // rows examined for it
	Of     int64  `json:"of"`     // rows of the batches that the filter is about
	Total  *int64 `json:"total"`  // rows that the filter chooses, where the counters know
}

const defaultRows = 50

// Rows reads a page of rows.
func Rows(ctx context.Context, d *db.DB, p RowQuery) (RowPage, error) {
	if p.Sort == "" {
		p.Sort = p.RowFilter.Sort()
	}
	if p.Limit <= 0 {
		p.Limit = defaultRows
	}
	if p.Look <= 0 {
		p.Look = maxLook
	}
	s, err := newSearch(ctx, d, p.RowFilter, p.Sort, p.Cursor)
	if err != nil {
		return RowPage{}, err
	}
	var ids []int64
	for !s.done && len(ids) < p.Limit && s.looked < p.Look {
		more, err := s.next(ctx, p.Look-s.looked, p.Limit-len(ids))
		if err != nil {
			return RowPage{}, err
		}
		ids = append(ids, more...)
	}
	page := RowPage{Full: len(ids) >= p.Limit, Looked: min(s.looked, s.scope.Total), Of: s.scope.Total}
	if !s.done {
		page.Next = s.at.String()
	}
	if p.counted() && p.Sort != SortEnded {
		page.Total = &s.scope.Matching
	}
	page.Rows, err = rowsByID(ctx, d, ids)
	return page, err
}

// rowColumnsSQL are the columns of Row, from rename r, batch b and site s.
const rowColumnsSQL = `
	r.id, r.batch_id AS batch, b.name AS batch_name, b.status AS batch_status, s.name AS site, r.line, r.asset_id, r.locale_id,
	r.display_name, r.alt_text, r.status, NULL::text AS job_state, r.http_status::int AS http_status, r.calls AS attempts,
	r.failures::int AS failures, r.before_name, r.applied_name, r.error, r.not_before, r.cancelled_at, r.retried_at,
	r.finished_at, r.superseded_by`

const rowSQL = `
SELECT ` + rowColumnsSQL + `
FROM rename r JOIN batch b ON b.id = r.batch_id JOIN site s ON s.id = r.site_id
WHERE r.id = ANY (@ids)`

// rowsByID reads rows in the order of ids, with the states of their jobs.
func rowsByID(ctx context.Context, d *db.DB, ids []int64) ([]Row, error) {
	if len(ids) == 0 {
		return []Row{}, nil
	}
	rows, err := pg.Collect[Row](ctx, d.Pool(), "reading rows", rowSQL, pgx.NamedArgs{"ids": ids})
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	slices.SortFunc(rows, func(a, b Row) int { return at[a.ID] - at[b.ID] })
	return rows, addStates(ctx, d, rows)
}

// jobStatesSQL reads the live jobs of some queues, and picks those of some rows. It reads
// all jobs of a queue, which are no more than the feed's window. River's index of
// arguments may have a long list of pending entries, which each look-up would read. It
// joins, as = ANY would compare all with all.
const jobStatesSQL = `
WITH live AS MATERIALIZED (
	SELECT j.id, (j.args->>'rename_id')::bigint AS rename_id, j.state::text AS state FROM river_job j
	WHERE j.state IN ('available', 'running', 'retryable', 'scheduled', 'pending') AND j.queue = ANY (@queues) AND j.kind = @kind
	LIMIT @most
)
SELECT DISTINCT ON (rename_id) rename_id, state FROM live JOIN unnest(@ids::bigint[]) AS wanted (rename) ON wanted.rename = rename_id
ORDER BY rename_id, live.id DESC`

// addStates adds the states of the open rows' jobs. Other rows have no job that matters.
func addStates(ctx context.Context, d *db.DB, rows []Row) error {
	var ids []int64
	var queues []string
	for _, j := range rows {
		if j.FinishedAt != nil {
			continue
		}
		ids = append(ids, j.ID)
		if q := (db.Site{Name: j.Site}).Queue(); !slices.Contains(queues, q) {
			queues = append(queues, q)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	type jobState struct {
		RenameID int64
		State    string
	}
	list, err := pg.Collect[jobState](ctx, d.Pool(), "reading the jobs' states", jobStatesSQL,
		pgx.NamedArgs{"ids": ids, "queues": queues, "kind": jobKind, "most": maxJobs})
	if err != nil {
		return err
	}
	states := map[int64]*string{}
	for _, s := range list {
		states[s.RenameID] = &s.State
	}
	for i := range rows {
		rows[i].JobState = states[rows[i].ID]
	}
	return nil
}

// RowCount is how many rows a filter chooses.
type RowCount struct {
	Rows   int64 `json:"rows"`
	Exact  bool  `json:"exact"`  // false: only some rows were examined, there may be more
	Looked int64 `json:"looked"` // rows examined; 0: the counters knew
}

// CountRows counts the rows that a filter chooses. Mostly the batches' counters know.
// Otherwise it examines at most look rows, or with 0 all of them: about half a second for
// 2,000,000 rows in memory.
func CountRows(ctx context.Context, d *db.DB, f RowFilter, look int64) (RowCount, error) {
	s, err := newSearch(ctx, d, f, SortOldest, "")
	if err != nil {
		return RowCount{}, err
	}
	if f.counted() {
		return RowCount{Rows: s.scope.Matching, Exact: true}, nil
	}
	for err == nil && !s.done && (look == 0 || s.looked < look) {
		if look == 0 {
			err = s.countAll(ctx)
		} else {
			_, err = s.next(ctx, look-s.looked, 0)
		}
	}
	if err != nil {
		return RowCount{}, err
	}
	return RowCount{Rows: s.hits, Exact: s.done, Looked: s.looked}, nil
}

// Cause is one reason for bad rows, with the first of them as an example.
type Cause struct {
	Status     db.RowStatus `json:"status"`
	HTTPStatus *int         `json:"http_status"`
	Error      string       `json:"error"`
	Rows       int64        `json:"rows"`
	ID         int64        `json:"example_id"`
	Batch      int64        `json:"example_batch"`
	Line       int64        `json:"example_line"`
	AssetID    string       `json:"example_asset_id"`
	Name       *string      `json:"example_display_name"`
}

// Causes are the reasons for bad rows. Complete is false when there are more rows than
// were examined: then the counts are those of the newest.
type Causes struct {
	Causes   []Cause `json:"causes"`
	Complete bool    `json:"complete"`
	Looked   int64   `json:"looked"`
	Of       int64   `json:"of"` // failed, conflicting and invalid rows, by the counters
}

// MaxErrors is how many rows RowErrors examines: fewer than a page, as grouping costs as
// much again.
const MaxErrors = 30_000

// RowErrors groups the bad rows by cause, the most frequent first; with statuses in the
// filter, the rows of those that have an error. It examines the newest MaxErrors at most,
// or with since or until the last that ended.
func RowErrors(ctx context.Context, d *db.DB, f RowFilter, limit int) (Causes, error) {
	return rowErrors(ctx, d, f, limit, MaxErrors)
}

// AllRowErrors is RowErrors without a bound: about two seconds for a million rows.
func AllRowErrors(ctx context.Context, d *db.DB, f RowFilter, limit int) (Causes, error) {
	return rowErrors(ctx, d, f, limit, math.MaxInt64)
}

func rowErrors(ctx context.Context, d *db.DB, f RowFilter, limit int, look int64) (Causes, error) {
	if len(f.Statuses) == 0 {
		f.Statuses = db.Bad()
	}
	f.errors = true
	sort := SortNewest
	if !f.Since.IsZero() || !f.Until.IsZero() {
		sort = SortEnded
	}
	s, err := newSearch(ctx, d, f, sort, "")
	if err != nil {
		return Causes{}, err
	}
	out := Causes{Causes: []Cause{}, Complete: true, Of: s.scope.Matching}
	if s.done {
		return out, nil
	}
	w := f.walk(sort, s.scope, s.at, false)
	w.args["look"], w.args["limit"], w.args["site"] = look, limit, s.site
	type row struct {
		Cause
		Looked int64
	}
	rows, err := pg.Collect[row](ctx, d.Pool(), "grouping errors", causesSQL(w, f.hit(w.args)), w.args)
	if err != nil {
		return Causes{}, err
	}
	for _, r := range rows {
		out.Looked = r.Looked
		if r.Rows > 0 {
			out.Causes = append(out.Causes, r.Cause)
		}
	}
	out.Complete = out.Looked < look
	return out, nil
}

// causeSQL is the error of rename r without what differs for each row: the names that a
// conflict is about. It is a part of the error, so that a filter finds the rows of a cause.
const causeSQL = `CASE WHEN r.status = 'conflict' THEN regexp_replace(r.error, '(: it is| was) ".*', '') ELSE r.error END`

// causesSQL groups the hits of one chunk. It returns the whole error of a hit that is the
// only one of its cause. Without any hit it returns a row without a cause, for the number
// of rows that were examined.
func causesSQL(w walk, hit string) string {
	return `WITH ` + w.before + ` looked AS MATERIALIZED (
	SELECT r.id, r.status, r.http_status, ` + causeSQL + ` AS error, ` + hit + ` AS hit
	FROM ` + w.from + ` ORDER BY ` + w.inOrder() + ` LIMIT @look
), causes AS (
	SELECT status, http_status, coalesce(error, '') AS error, count(*) AS rows, min(id) AS example FROM looked WHERE hit
	GROUP BY status, http_status, coalesce(error, '') ORDER BY count(*) DESC, min(id) LIMIT @limit
), span AS (
	SELECT count(*) AS looked FROM looked
)
SELECT coalesce(c.status, '') AS status, c.http_status::int AS http_status,
	CASE WHEN c.rows = 1 THEN r.error ELSE coalesce(c.error, '') END AS error,
	coalesce(c.rows, 0) AS rows, coalesce(c.example, 0) AS id, coalesce(r.batch_id, 0) AS batch, coalesce(r.line, 0) AS line,
	coalesce(r.asset_id, '') AS asset_id, r.display_name AS name, s.looked
FROM span s LEFT JOIN causes c ON true LEFT JOIN rename r ON r.id = c.example
ORDER BY c.rows DESC NULLS LAST, c.example`
}
