package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// addNotify stores more addresses that get notices about a batch. It comes before the batch
// starts, because that may end it at once.
func addNotify(ctx context.Context, tx pgx.Tx, batchID int64, urls []string) error {
	if len(urls) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE batch SET notify_urls = notify_urls || $2::text[] WHERE id = $1`, batchID, urls)
	if err != nil {
		return fmt.Errorf("error storing where notices go: %w", err)
	}
	return nil
}
