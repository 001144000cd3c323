package dbtest

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// Rows makes rows of words: "a" is asset a, "a/fr" asset a in locale fr, "!a" a row that
// was refused. Each sets a name that tells the line.
func Rows(targets ...string) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		for i, target := range targets {
			name := fmt.Sprintf("%s, line %d", target, i+2)
			row := db.SourceRow{Line: int64(i + 2), DisplayName: &name}
			if good, refused := strings.CutPrefix(target, "!"); refused {
				target, row.Refused = good, "no good"
			}
			row.AssetID, row.LocaleID, _ = strings.Cut(target, "/")
			if !yield(&row, nil) {
				return
			}
		}
	}
}

// NoQueue gives no jobs.
func NoQueue(context.Context, pgx.Tx) error { return nil }

// Params are those of an ordinary load.
func Params(siteID int, rows iter.Seq2[*db.SourceRow, error]) db.LoadParams {
	return db.LoadParams{SiteID: siteID, Name: "batch", Source: "test", Priority: 2, Rows: rows, Queue: NoQueue}
}

// Loaded is a batch and its renames' ids in input order.
type Loaded struct {
	Batch int64
	IDs   []int64
}

// Load loads a batch.
func Load(t TB, d *db.DB, p db.LoadParams) Loaded {
	t.Helper()
	id, err := d.Load(t.Context(), p)
	require.NoError(t, err)
	return Loaded{id, List[int64](t, d, `SELECT id FROM rename WHERE batch_id = $1 ORDER BY id`, id)}
}

// process claims for the tests.
const process = "p1"

// Claim claims a rename.
func Claim(t TB, d *db.DB, id int64) db.Claim {
	t.Helper()
	p := db.ClaimParams{ProcessID: process, RenameIDs: []int64{id}, Lease: time.Hour, Quarantine: time.Hour}
	claims, _, err := d.Turn(t.Context(), p, db.FinishParams{})
	require.NoError(t, err)
	require.Len(t, claims, 1)
	require.Equal(t, db.Claimed, claims[0].Verdict)
	return claims[0]
}

// Settle claims a rename, and ends its call with a status.
func Settle(t TB, d *db.DB, id int64, status db.RowStatus) {
	t.Helper()
	_, _, err := d.Turn(t.Context(), db.ClaimParams{}, db.FinishParams{
		ProcessID: process, Finishes: []db.Finish{Answer(Claim(t, d, id), status)}, Quarantine: time.Hour,
	})
	require.NoError(t, err)
}

// Answer is the finish of a claim whose call was made, and ended so.
func Answer(c db.Claim, status db.RowStatus) db.Finish {
	code := func(c int) *int { return &c }
	f := db.Finish{
		RenameID: c.RenameID, Fence: c.Fence, Status: status, Called: true,
		SentAgo: 0.5, Duration: 0.25, AnsweredAgo: 0.25, Outcome: db.Outcome(status),
	}
	switch status {
	case db.RowSucceeded:
		f.HTTPStatus, f.AppliedName, f.Health = code(200), c.DisplayName, db.Well
	case db.RowFailed:
		f.HTTPStatus, f.Failure, f.Code, f.Message = code(404), true, "not_found", "no such asset"
	case db.RowPending:
		f.HTTPStatus, f.Failure, f.Outcome, f.Message = code(500), true, db.OutcomeRetry, "try later"
	}
	return f
}

// RequireCountsAddUp compares the counters of all batches with a count of their rows, and
// their status with what is left.
func RequireCountsAddUp(t TB, d Database) {
	t.Helper()
	require.Empty(t, List[string](t, d, `
		SELECT format('batch %s: counters %s, rows %s', b.id, n.counters, n.rows)
		FROM batch b CROSS JOIN LATERAL (
			SELECT ROW(b.total, b.ended, b.sending, b.succeeded, b.failed, b.superseded, b.unchanged, b.conflict, b.cancelled, b.invalid)::text AS counters,
				ROW(count(*), count(r.finished_at), count(*) FILTER (WHERE r.status = 'sending'),
					count(*) FILTER (WHERE r.status = 'succeeded'), count(*) FILTER (WHERE r.status = 'failed'),
					count(*) FILTER (WHERE r.status = 'superseded'), count(*) FILTER (WHERE r.status = 'unchanged'),
					count(*) FILTER (WHERE r.status = 'conflict'), count(*) FILTER (WHERE r.status = 'cancelled'),
					count(*) FILTER (WHERE r.status = 'invalid'))::text AS rows
			FROM rename r WHERE r.batch_id = b.id
		) n
		WHERE n.counters <> n.rows`))
	require.Empty(t, List[string](t, d, `
		SELECT format('batch %s is %s, %s left', id, status, total - ended) FROM batch
		WHERE (finished_at IS NOT NULL) <> (ended = total AND status <> 'planned')
			OR status NOT IN ('planned', 'cancelled') AND (status = 'done') <> (ended = total)`))
}
