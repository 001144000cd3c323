package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// commitWait bounds how long we ask whether a transaction was committed: longer
	// than a restart of the database takes.
	commitWait = 20 * time.Second

	// commitAskEvery is the pause between two tries.
	commitAskEvery = 200 * time.Millisecond
)

// ErrCommitUnknown reports that the connection broke at COMMIT, and that the
// database did not answer afterwards: what was written may be there or not.
var ErrCommitUnknown = errors.New("the database did not say whether it was stored")

// InTx runs fn in a transaction. If the connection breaks before COMMIT is acknowledged,
// it asks the database whether the transaction was committed. So any error except
// ErrCommitUnknown means that nothing was written.
func (db *DB) InTx(ctx context.Context, fn func(pgx.Tx) error) error {
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("error beginning a transaction: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it says so too where there is nothing to undo
	if err := fn(tx); err != nil {
		return err
	}
	c := committing{at: kept(tx.Conn().PgConn()).lineage}
	if err := tx.QueryRow(ctx, `SELECT pg_current_xact_id()::text`).Scan(&c.id); err != nil {
		return fmt.Errorf("error before the commit: %w", err)
	}
	err = tx.Commit(ctx)
	if err == nil || answered(err) {
		return err
	}
	return db.askCommit(context.WithoutCancel(ctx), c, err)
}

// committing is a transaction whose COMMIT got no answer, and where it was sent.
type committing struct {
	id string
	at lineage
}

// answered reports whether the server itself returned this error of COMMIT.
func answered(err error) bool {
	_, said := errors.AsType[*pgconn.PgError](err)
	return said || errors.Is(err, pgx.ErrTxCommitRollback)
}

// askCommit finds out what became of a transaction. It may still be in progress:
// the server has perhaps not noticed that its client is gone.
func (db *DB) askCommit(ctx context.Context, c committing, broken error) error {
	ctx, cancel := context.WithTimeout(ctx, db.commitWait)
	defer cancel()
	for {
		status, at, err := db.xactStatus(ctx, c.id)
		switch {
		case err == nil && status == "committed" && at == c.at:
			return nil
		case err == nil && status == "committed":
			// After a fail-over that lost transactions another one may have this id.
			return fmt.Errorf("%w, because it has failed over: %w", ErrCommitUnknown, broken)
		case err == nil && status == "aborted":
			return fmt.Errorf("error committing: %w", broken)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrCommitUnknown, broken)
		case <-time.After(commitAskEvery):
		}
	}
}

// xactStatus also returns which server answered. The status is empty if it does not know.
func (db *DB) xactStatus(ctx context.Context, id string) (status string, at lineage, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return "", at, err
	}
	defer conn.Release()
	err = conn.QueryRow(ctx, `SELECT coalesce(pg_xact_status($1::text::xid8), '')`, id).Scan(&status)
	return status, kept(conn.Conn().PgConn()).lineage, err
}

// tries bounds how often one transaction is repeated.
const tries = 5

// RetryDeadlock repeats a transaction that PostgreSQL ended because of a deadlock. The
// order of locks allows none that we know of; an unknown one must not make a person's
// command fail.
func RetryDeadlock(fn func() error) error { return retry(fn, isDeadlock) }

// RetryLost repeats a transaction that lost its connection before its COMMIT, as on a network
// that loses packets. It is for those that do no harm when they come late: a load or an apply
// that stood still must not supersede what was loaded meanwhile.
func RetryLost(fn func() error) error { return retry(fn, LostConnection) }

func retry(fn func() error, again func(error) bool) (err error) {
	for range tries {
		if err = fn(); !again(err) {
			return err
		}
	}
	return err
}

func isDeadlock(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "40P01"
}
