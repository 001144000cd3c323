package pg

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// origin is what a connection learned about its server when it was made.
type origin struct {
	lineage
	readOnly bool // a standby, or a server whose disk is full
	made     time.Time
}

// lineage is a history of a database. All copies of one cluster have its system
// identifier, and each promotion of a standby begins a higher timeline.
type lineage struct {
	system   string // empty: the server does not say
	timeline int64
}

// askOrigin works on standbys too. Their last checkpoint names the timeline that they follow.
// Everybody may call these functions, unless an administrator has taken the right away.
const askOrigin = `
SELECT current_setting('transaction_read_only') = 'on', s.system_identifier,
	CASE WHEN pg_is_in_recovery() THEN c.timeline_id
		ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END
FROM pg_control_system() s, pg_control_checkpoint() c`

// askReadOnly is for servers that have no timelines, such as Aurora and YugabyteDB.
const askReadOnly = `SELECT current_setting('transaction_read_only') = 'on', NULL, NULL`

func originOf(ctx context.Context, conn *pgconn.PgConn) (origin, error) {
	r := conn.ExecParams(ctx, askOrigin, nil, nil, nil, nil).Read()
	if answered(r.Err) {
		r = conn.ExecParams(ctx, askReadOnly, nil, nil, nil, nil).Read()
	}
	if r.Err != nil || len(r.Rows) != 1 {
		return origin{}, fmt.Errorf("error asking which server this is: %w", r.Err)
	}
	row := r.Rows[0]
	o := origin{readOnly: string(row[0]) == "t", made: time.Now()}
	if row[1] != nil {
		o.system = string(row[1])
		o.timeline, _ = strconv.ParseInt(string(row[2]), 10, 64) // an integer by its type
	}
	return o, nil
}

// StaleError reports a primary from before a fail-over. Working with it would send names
// that the new primary knows to be old, and would break the rate limit.
type StaleError struct{ Timeline, Newest int64 }

func (e *StaleError) Error() string {
	return fmt.Sprintf("it is an old primary (timeline %d; a newer primary has timeline %d): stop it, and make it a standby of the new one with pg_rewind or pg_basebackup",
		e.Timeline, e.Newest)
}

// newest is the newest history that this process has seen. It only moves forward.
type newest struct {
	hosts []*pgconn.Config // to ask, if there are several

	learning sync.Mutex
	learned  time.Time // guarded by learning

	mu    sync.Mutex
	seen  lineage
	moved chan struct{} // closed when seen changes; nil: nobody waits
}

// see moves forward, or returns a StaleError. Another cluster, such as a restored dump, is a
// decision of an administrator, and is taken as it is.
func (n *newest) see(l lineage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.stale(l); err != nil || l.system == "" || l == n.seen {
		return err
	}
	n.seen = l
	if n.moved != nil {
		close(n.moved)
		n.moved = nil
	}
	return nil
}

// stale returns a StaleError for a history that is older. The caller holds the lock.
func (n *newest) stale(l lineage) error {
	if l.system == n.seen.system && l.timeline < n.seen.timeline {
		return &StaleError{Timeline: l.timeline, Newest: n.seen.timeline}
	}
	return nil
}

// check is see that does not move, with a channel that is closed when the answer may change.
func (n *newest) check(l lineage) (moved <-chan struct{}, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.moved == nil {
		n.moved = make(chan struct{})
	}
	return n.moved, n.stale(l)
}

// originKey is where a connection keeps its origin.
const originKey = "relabel.origin"

func kept(conn *pgconn.PgConn) origin {
	o, _ := conn.CustomData()[originKey].(origin)
	return o
}

// admit decides whether a new connection is used, beside wanted, which is the condition of
// target_session_attrs in the URL.
func (n *newest) admit(wanted pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := wanted(ctx, conn); err != nil {
			return err
		}
		o, err := originOf(ctx, conn)
		if err != nil {
			return err
		}
		conn.CustomData()[originKey] = o
		if o.readOnly {
			return nil // it serves reads; its writes fail
		}
		n.learnFirst(ctx)
		return n.see(o.lineage)
	}
}

// guard makes a pool use no server with an older history than this process has seen.
func (n *newest) guard(pc *pgxpool.Config) {
	n.hosts = several(pc.ConnConfig)
	pc.ConnConfig.ValidateConnect = n.admit(wanted(&pc.ConnConfig.Config, len(n.hosts)))
	pc.AfterConnect, pc.PrepareConn = n.watch, n.recheck
}

// wanted is the condition of target_session_attrs. Of several hosts the one that accepts writes
// is meant, whether the URL says so or not.
func wanted(cfg *pgconn.Config, hosts int) pgconn.ValidateConnectFunc {
	switch {
	case cfg.ValidateConnect != nil:
		return cfg.ValidateConnect
	case hosts > 1:
		return pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return func(context.Context, *pgconn.PgConn) error { return nil }
}

// readOnlyTime is how long a connection to a server without writes is used before relabel looks
// for a primary again: a standby may have been promoted, or a name may lead elsewhere.
const readOnlyTime = 5 * time.Second

// recheck destroys a connection that has led to a standby for too long, before it is used again.
func (n *newest) recheck(_ context.Context, conn *pgx.Conn) (good bool, _ error) {
	o := kept(conn.PgConn())
	return !o.readOnly || time.Since(o.made) < readOnlyTime, nil
}

// watch breaks a connection to an old primary as soon as a newer one is seen, whatever it does:
// one that waits for notifications would wait for ever.
func (n *newest) watch(_ context.Context, conn *pgx.Conn) error {
	c, at := conn.PgConn(), kept(conn.PgConn()).lineage
	go func() {
		for {
			moved, err := n.check(at)
			if err != nil {
				_ = c.Conn().Close()
				return
			}
			select {
			case <-moved:
			case <-c.CleanupDone():
				return
			}
		}
	}()
	return nil
}
