package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/pg"
)

// APIKey is an Idempotency-Key of a load: sent again with the same content, it gives the
// same batch.
type APIKey struct {
	Token int
	Key   string
	Hash  []byte // of the parameters and the body
	Batch int64
}

// ErrKeyTaken means that another load with the key was stored first.
var ErrKeyTaken = errors.New("another load with this key was stored first")

// FindKey returns nil when there is no such key.
func (db *DB) FindKey(ctx context.Context, token int, key string) (*APIKey, error) {
	list, err := pg.Collect[APIKey](ctx, db.Pool(), "looking for the key",
		`SELECT token_id AS token, key, hash, batch_id AS batch FROM api_key WHERE token_id = @token AND key = @key`,
		pgx.NamedArgs{"token": token, "key": key})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// KeepKey stores a key in the transaction of its load, so that there is never one without
// the other. It waits for another load with the same key to end.
func KeepKey(ctx context.Context, tx pgx.Tx, k APIKey) error {
	_, err := tx.Exec(ctx, `INSERT INTO api_key (token_id, key, hash, batch_id) VALUES ($1, $2, $3, $4)`, k.Token, k.Key, k.Hash, k.Batch)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == uniqueViolation {
		return ErrKeyTaken
	}
	if err != nil {
		return fmt.Errorf("error storing the key: %w", err)
	}
	return nil
}
