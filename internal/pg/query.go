package pg

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier runs queries: a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Collect runs a query and reads all its rows; what names it in the error.
func Collect[T any](ctx context.Context, q Querier, what, sql string, args pgx.NamedArgs) ([]T, error) {
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

// CollectIDs runs a query of one column of ids.
func CollectIDs(ctx context.Context, q Querier, what, sql string, args pgx.NamedArgs) ([]int64, error) {
	rows, err := q.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("error %s: %w", what, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("error %s: %w", what, err)
	}
	return ids, nil
}

// Stream is Collect for any number of rows: it takes constant memory, and a connection
// until the end.
func Stream[T any](ctx context.Context, q Querier, what, sql string, args pgx.NamedArgs) iter.Seq2[T, error] {
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

// Execer runs statements: a pool or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Columns splits a map into two arrays of the same order, for unnest.
func Columns[K comparable, V any](m map[K]V) (keys []K, values []V) {
	keys, values = []K{}, []V{}
	for k, v := range m {
		keys, values = append(keys, k), append(values, v)
	}
	return keys, values
}
