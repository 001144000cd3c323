package pg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// lockTime is how long a migration waits for a table that others use. Statements that
	// come after it queue behind it for that long. Then it gives up, lets them pass for
	// lockPause, and tries again.
	lockTime  = 3 * time.Second
	lockPause = 3 * time.Second

	// turnEvery is how often a process asks whether it is its turn to migrate, and
	// lookEvery how often the one that migrates looks at what it waits for.
	turnEvery = 200 * time.Millisecond
	lookEvery = time.Second
)

// takeTurn waits until no other process migrates. It polls, because a statement that
// waited for the lock would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for
// older snapshots to end: a deadlock.
func (m *migrator) takeTurn(ctx context.Context) error {
	for {
		var ok bool
		if err := m.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrateLock)).Scan(&ok); err != nil {
			return fmt.Errorf("error locking for migration: %w", err)
		}
		if ok {
			return nil
		}
		if err := pause(ctx, turnEvery); err != nil {
			return err
		}
	}
}

// patiently repeats a step until it gets its locks, and logs what it waits for.
func (m *migrator) patiently(ctx context.Context, step func() error) error {
	looks, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.warnOfWaits(looks)
	}()
	defer func() {
		stop()
		<-ended
	}()
	for {
		if err := m.reset(ctx); err != nil {
			return err
		}
		err := step()
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || !slices.Contains(noLock(), pgErr.Code) {
			return err
		}
		if err := pause(ctx, lockPause); err != nil {
			return err
		}
	}
}

// reset undoes an interrupted migration's settings, and brings ours back, which tern's RESET
// ALL takes away.
func (m *migrator) reset(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, "RESET ALL"); err != nil {
		return fmt.Errorf("error resetting a connection: %w", err)
	}
	return m.cfg.AfterConnect(ctx, m.conn.PgConn())
}

// noLock are PostgreSQL's codes for a lock that was not free in time, and for a deadlock.
func noLock() []string { return []string{"55P03", "40P01"} }

// warnOfWaits looks until ctx ends. It warns of those who hold up the migration from one
// look to the next, once: statements that end by themselves are not worth a warning.
func (m *migrator) warnOfWaits(ctx context.Context) {
	var before, told []int32
	for pause(ctx, lookEvery) == nil {
		pids, text, err := m.waitsFor(ctx)
		lasting := slices.Equal(pids, before)
		before = pids
		if err != nil || len(pids) == 0 || !lasting || slices.Equal(pids, told) {
			continue // an error of the migration itself shows there
		}
		told = pids
		m.db.log.Warn("the migration waits for others", "for", text)
	}
}

// waiter is a connection that a migration waits for.
type waiter struct {
	PID  int32
	Text string
}

func (m *migrator) waitsFor(ctx context.Context) (pids []int32, text string, err error) {
	list, err := Collect[waiter](ctx, m.db.pool, "looking at what the migration waits for", `
		SELECT pid, format('%s (process %s%s)', coalesce(nullif(application_name, ''), 'a program without a name'), pid,
			', ' || state || coalesce(' for ' || extract(epoch FROM clock_timestamp() - state_change)::bigint || ' s', '')) AS text
		FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(@pid)) ORDER BY pid`,
		pgx.NamedArgs{"pid": int32(m.backend.Load())})
	texts := make([]string, len(list))
	for i, w := range list {
		pids, texts[i] = append(pids, w.PID), w.Text
	}
	return pids, strings.Join(texts, ", "), err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
