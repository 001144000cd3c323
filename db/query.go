package db

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// collect runs a query that gives rows of T; what names it in the error.
func collect[T any](ctx context.Context, q querier, what, sql string, args pgx.NamedArgs) ([]T, error) {
	rows, err := q.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("error %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("error %s: %w", what, err)
	}
	return out, nil
}

// movesSQL and addMoves keep the batches' counters. A statement that changes
// renames' statuses names them in a CTE "moved" (batch_id, was, status), appends
// movesSQL, and updates batch b with addMoves from moves m. A batch ends with
// its last row, once all its rows are accepted. It begins again when a row is
// retried after its end; one that is being cancelled stays cancelled.
//
// All statements lock renames by id first and batches after, by id too, so that
// none waits in a circle.
const movesSQL = `
	locked_batches AS MATERIALIZED (
		SELECT id FROM batch WHERE id IN (SELECT batch_id FROM moved) ORDER BY id FOR NO KEY UPDATE
	), moves AS (
		SELECT batch_id,
			count(*) FILTER (WHERE status = 'sending') - count(*) FILTER (WHERE was = 'sending') AS sending,
			count(*) FILTER (WHERE status = 'succeeded') - count(*) FILTER (WHERE was = 'succeeded') AS succeeded,
			count(*) FILTER (WHERE status = 'failed') - count(*) FILTER (WHERE was = 'failed') AS failed,
			count(*) FILTER (WHERE status = 'superseded') - count(*) FILTER (WHERE was = 'superseded') AS superseded,
			count(*) FILTER (WHERE status = 'unchanged') - count(*) FILTER (WHERE was = 'unchanged') AS unchanged,
			count(*) FILTER (WHERE status = 'conflict') - count(*) FILTER (WHERE was = 'conflict') AS conflict,
			count(*) FILTER (WHERE status = 'cancelled') - count(*) FILTER (WHERE was = 'cancelled') AS cancelled,
			count(*) FILTER (WHERE status NOT IN ('pending', 'sending'))
				- count(*) FILTER (WHERE was NOT IN ('pending', 'sending')) AS ended
		FROM moved JOIN locked_batches ON locked_batches.id = moved.batch_id GROUP BY batch_id
	)`

const addMoves = `
	sending = b.sending + m.sending, succeeded = b.succeeded + m.succeeded, failed = b.failed + m.failed,
	superseded = b.superseded + m.superseded, unchanged = b.unchanged + m.unchanged,
	conflict = b.conflict + m.conflict, cancelled = b.cancelled + m.cancelled,
	status = CASE
		WHEN b.ended + m.ended = b.total AND b.status IN ('active', 'paused') AND b.accepted_to IS NULL THEN 'done'
		WHEN m.ended < 0 AND b.status IN ('done', 'cancelled') AND b.finished_at IS NOT NULL THEN 'active'
		ELSE b.status END,
	finished_at = CASE WHEN b.ended + m.ended = b.total AND b.status <> 'planned' AND b.accepted_to IS NULL THEN coalesce(b.finished_at, clock_timestamp()) END`

// countMoves is the end of a statement that does nothing but move renames.
const countMoves = movesSQL + `
UPDATE batch b SET ` + addMoves + ` FROM moves m WHERE b.id = m.batch_id`

// stream is collect for as many rows as there are: constant memory, and a
// connection until the end.
func stream[T any](ctx context.Context, q querier, what, sql string, args pgx.NamedArgs) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := q.Query(ctx, sql, args)
		if err != nil {
			yield(none, fmt.Errorf("error %s: %w", what, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			v, err := pgx.RowToStructByName[T](rows)
			if err != nil {
				err = fmt.Errorf("error %s: %w", what, err)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, fmt.Errorf("error %s: %w", what, err))
		}
	}
}

// execer is what a pool and a transaction have in common for statements.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}
