package records

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"relabel/db"
)

// maxUndoable is how many rows of a batch Undoable looks at: within 10 ms.
const maxUndoable = 10_000

// Undoable reports whether an undo of the batch would have a row: one that was sent, and
// whose old name was read before. It looks at the first maxUndoable rows; if there are
// more, it says yes, and the undo itself finds out.
func Undoable(ctx context.Context, d *db.DB, batchID int64) (yes bool, err error) {
	err = d.Pool().QueryRow(ctx, `
		WITH looked AS MATERIALIZED (
			SELECT r.status, r.before_at FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
			WHERE b.id = @batch ORDER BY r.id LIMIT @look
		)
		SELECT count(*) = @look OR bool_or(status = 'succeeded' AND before_at IS NOT NULL) IS TRUE FROM looked`,
		pgx.NamedArgs{"batch": batchID, "look": maxUndoable}).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("error looking for old names: %w", err)
	}
	return yes, nil
}
