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
