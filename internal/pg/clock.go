package pg

import (
	"context"
	"fmt"
	"time"
)

// Now reads the database's clock.
func (db *DB) Now(ctx context.Context) (now time.Time, err error) {
	if err = db.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return now, fmt.Errorf("error reading the database's clock: %w", err)
	}
	return now, nil
}

// Skew is how far the database's clock is ahead of this machine's, to within
// half of the way to the database.
func (db *DB) Skew(ctx context.Context) (time.Duration, error) {
	before := time.Now()
	now, err := db.Now(ctx)
	if err != nil {
		return 0, err
	}
	return now.Sub(before.Add(time.Since(before) / 2)), nil
}
