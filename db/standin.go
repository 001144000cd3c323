package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// TryHold locks a name for this process, until release or until its connection ends; ok
// is false while another process has it. It uses up one connection of the pool.
func (db *DB) TryHold(ctx context.Context, name string) (release func(), ok bool, err error) {
	conn, err := db.Pool().Acquire(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("error getting a connection to hold %s: %w", name, err)
	}
	const key = `(hashtext('relabel hold'), hashtext($1))`
	if err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock`+key, name).Scan(&ok); err != nil || !ok {
		conn.Release()
		if err != nil {
			err = fmt.Errorf("error holding %s: %w", name, err)
		}
		return nil, false, err
	}
	return func() {
		// A lost connection has lost the lock with it.
		_, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock`+key, name)
		conn.Release()
	}, true, nil
}

// Abandon cancels all open batches of a site whose API is gone, and ends their rows.
func (db *DB) Abandon(ctx context.Context, siteID int, reason string) error {
	_, err := cancelBatches(ctx, db.Pool(), `
		SELECT id FROM batch WHERE site_id = @site AND status IN ('active', 'paused') ORDER BY id FOR NO KEY UPDATE`,
		pgx.NamedArgs{"site": siteID, "reason": reason})
	if err != nil {
		return fmt.Errorf("error cancelling what is open: %w", err)
	}
	return db.EndCancelled(ctx, siteID)
}
