package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"relabel/internal/pg"
)

// StatementText returns a statement of sql/.
func StatementText(name string) string { return statement(name) }

// Statements that are short enough to be Go text.
const (
	LockRenamesSQL    = lockRenames
	SettleSQL         = settleSQL
	SitesToFeedSQL    = sitesToFeedSQL
	QueuesWithJobsSQL = queuesWithJobsSQL
	WakeUnworkedSQL   = wakeUnworkedSQL
)

// Claim is a turn of claims alone.
func (db *DB) Claim(ctx context.Context, p ClaimParams) ([]Claim, error) {
	claims, _, err := db.Turn(ctx, p, FinishParams{})
	return claims, err
}

// Finish is a turn of finishes alone.
func (db *DB) Finish(ctx context.Context, p FinishParams) (map[int64]RowStatus, error) {
	_, statuses, err := db.Turn(ctx, ClaimParams{}, p)
	return statuses, err
}

// AcceptInChunksOf sets how many rows of a batch are accepted in one transaction.
func (db *DB) AcceptInChunksOf(rows int) { db.acceptChunk = rows }

// EndInChunksOf sets how many rows of cancelled batches end in one transaction.
func (db *DB) EndInChunksOf(rows int) { db.cancelChunk = rows }

// LoadFirst loads a batch as a process does that dies right after the commit: what
// is not accepted yet is left to others.
func (db *DB) LoadFirst(ctx context.Context, p LoadParams) (id int64, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		id, err = db.loadBatch(ctx, tx, p)
		return err
	})
	return id, err
}

// ApplyFirst applies a plan likewise.
func (db *DB) ApplyFirst(ctx context.Context, p ApplyParams) error {
	return db.InTx(ctx, func(tx pgx.Tx) error {
		_, err := db.apply(ctx, tx, p)
		return err
	})
}

// MarkCancelled cancels a batch as CancelBatch does before it ends any row.
func (db *DB) MarkCancelled(ctx context.Context, id int64) (bool, error) {
	n, err := cancelBatches(ctx, db.Pool(), openBatchSQL, pgx.NamedArgs{"id": id, "reason": nil})
	return n > 0, err
}

// OnPool is a DB on a test's own pool.
func OnPool(pool *pgxpool.Pool) *DB {
	return &DB{DB: pg.New(pool, pg.Config{CommitWait: time.Millisecond}), acceptChunk: acceptChunk, cancelChunk: cancelChunk}
}

// FindAssetsSQL is the statement of FindAssets.
func FindAssetsSQL(p FindAssetsParams) (string, pgx.NamedArgs) { return p.statement() }
