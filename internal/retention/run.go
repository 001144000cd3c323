package retention

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

const (
	// firstChunk, fewest and most are rows of one transaction. Deleting 500 rows takes
	// some 5 ms.
	firstChunk, fewest, most = 500, 20, 2000

	// slow and quick are when the next chunk is smaller or larger: well below the 100 ms
	// for which no lock may be held.
	slow, quick = 40 * time.Millisecond, 10 * time.Millisecond
)

// run is one call of Prune.
type run struct {
	Params
	began   time.Time
	limit   int             // rows of the next chunk
	goes    map[int64]int64 // rows that go, by batch
	longest time.Duration   // of the transactions
}

func newRun(p Params) *run { return &run{Params: p, limit: firstChunk, goes: map[int64]int64{}} }

// finder returns the keys of the next rows that may go, at most so many, and whether
// there may be more.
type finder func(ctx context.Context, limit int) (keys []string, more bool, err error)

func (r *run) args() pgx.NamedArgs {
	return pgx.NamedArgs{
		"before": r.Before, "site": r.SiteID, "shared": r.Shared, "batch": r.Batch, "whole": r.Whole, "examined": r.began.Add(-r.Recheck),
	}
}

// prune deletes what find finds of one table.
func (r *run) prune(ctx context.Context, t table, find finder) (total int64, err error) {
	for more := true; more; {
		var keys []string
		if keys, more, err = find(ctx, r.limit); err != nil {
			return total, fmt.Errorf("error looking for old rows of %s: %w", t.name, err)
		}
		if len(keys) == 0 {
			continue
		}
		n, err := r.remove(ctx, t, "["+strings.Join(keys, ",")+"]", int64(len(keys)))
		if err != nil {
			return total, fmt.Errorf("error pruning %s: %w", t.name, err)
		}
		total += n
	}
	return total, nil
}

// remove archives and deletes a chunk.
func (r *run) remove(ctx context.Context, t table, keys string, found int64) (n int64, err error) {
	if r.DryRun {
		return found, nil
	}
	if r.Archive != nil {
		if err := r.Archive.write(ctx, r.DB, t, keys); err != nil {
			return 0, err
		}
	}
	var took time.Duration
	err = pg.RetryDeadlock(func() error {
		n, took, err = r.deleteChunk(ctx, t, keys)
		return err
	})
	r.longest = max(r.longest, took)
	switch {
	case took > slow:
		r.limit = max(r.limit/2, fewest)
	case took < quick:
		r.limit = min(r.limit*2, most)
	}
	return n, err
}

// deleteChunk deletes the rows that may still go, in one transaction. One process prunes
// at a time. took does not count the wait for others.
func (r *run) deleteChunk(ctx context.Context, t table, keys string) (n int64, took time.Duration, err error) {
	err = pgx.BeginFunc(ctx, r.DB.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('relabel prune'))`); err != nil {
			return err
		}
		began := time.Now()
		defer func() { took = time.Since(began) }()
		args := r.args()
		args["keys"] = keys
		return tx.QueryRow(ctx, t.deleteSQL(), args).Scan(&n)
	})
	return n, took, err
}

// deleteSQL deletes the rows with the keys that may still go, and counts them. Rows are
// locked in the order of their keys.
func (t table) deleteSQL() string {
	if t.name == "rename" {
		return statement("delete_renames")
	}
	return fmt.Sprintf(`
		WITH old AS (
			SELECT t.ctid AS row FROM %s WHERE %s ORDER BY %s FOR UPDATE OF t
		), gone AS (
			DELETE FROM %s t USING old WHERE t.ctid = old.row RETURNING 1
		)
		SELECT count(*) FROM gone`, t.named("@keys::jsonb"), t.where, t.columns("t."), t.name)
}

// finder finds rows by the table's condition, in the order of its keys.
func (r *run) finder(t table) finder {
	after := ""
	return func(ctx context.Context, limit int) (keys []string, more bool, err error) {
		args := r.args()
		args["limit"], args["after"] = limit, after
		sql := fmt.Sprintf(`SELECT %s::text AS key FROM %s t WHERE %s`, t.key(), t.name, t.where)
		if after != "" {
			sql += fmt.Sprintf(` AND (%s) > (SELECT %s FROM jsonb_to_record(@after::jsonb) AS a (%s))`,
				t.columns("t."), t.columns("a."), t.record())
		}
		rows, _ := r.DB.Pool().Query(ctx, sql+fmt.Sprintf(` ORDER BY %s LIMIT @limit`, t.columns("t.")), args)
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if len(keys) > 0 {
			after = keys[len(keys)-1]
		}
		return keys, len(keys) == limit, err
	}
}
