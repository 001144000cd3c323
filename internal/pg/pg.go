// Package pg owns the connection to PostgreSQL, and what every package with SQL needs to
// use it: transactions, queries, statements in files, and migrations.
//
// Open returns a DB, a pool of connections with relabel's settings. It refuses a primary
// from before a fail-over, and Hosts reports what each host of the URL is. InTx runs a
// transaction whose fate is known even when the connection breaks at COMMIT.
// RetryDeadlock and RetryLost repeat one, and Transient reports which errors may go away.
//
// Collect, CollectIDs and Stream run a query and read its rows into structs.
// ReadStatements reads long statements from files, which may include fragments. Migrate
// brings our tables and River's up to date, while other processes work.
//
// The package knows no table of ours. The packages with SQL build on it: db moves rows,
// records reads them for people, and scheduledb keeps schedules.
package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sourcegraph/conc"
)

// Schema holds everything of ours, River's tables included, so that relabel
// can share a database with the user's own application and its own River.
const Schema = "relabel"

const (
	// defaultMaxConns serves River (one fetch a queue, completer, leader,
	// notifier) and ours (claim, finish, throttle, feed, heartbeat), none of
	// which holds a connection while it waits. Four processes stay under half
	// of PostgreSQL's default of 100.
	defaultMaxConns = 12

	// ConnectTimeout is how long Open waits for a server that does not answer.
	ConnectTimeout = 10 * time.Second
)

// Config says which database, and how much of it.
type Config struct {
	URL      string
	MaxConns int32        // 0: 12
	Logger   *slog.Logger // what a migration waits for; nil: not logged

	// CommitWait bounds how long InTx asks what became of a broken COMMIT; 0: 20 s.
	CommitWait time.Duration
}

// DB is a pool of connections whose search_path is relabel's schema.
type DB struct {
	pool       *pgxpool.Pool
	log        *slog.Logger
	commitWait time.Duration
	pooled     bool
	history    *newest // of the servers

	background conc.WaitGroup
	stop       context.CancelFunc // of the background
}

// Open connects, and fails at once when the database can't be reached, or only through a
// pooler in transaction mode. Its error names host and port and never the password. Of several
// hosts it uses the newest primary, and goes on looking for a newer one until Close.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = cmp.Or(cfg.MaxConns, defaultMaxConns)
	history := &newest{}
	history.guard(pc)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("error making the connection pool: %w", err)
	}
	pooled, err := firstUse(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, unreachable(pc.ConnConfig, err)
	}
	db := New(pool, cfg)
	db.pooled, db.history = pooled, history
	if history.hosts != nil {
		run, stop := context.WithCancel(context.WithoutCancel(ctx))
		db.stop = stop
		db.background.Go(func() { history.keepLearning(run) })
	}
	return db, nil
}

// New makes a DB of a pool that was opened otherwise. It takes over the pool.
func New(pool *pgxpool.Pool, cfg Config) *DB {
	return &DB{
		pool:       pool,
		log:        cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)),
		commitWait: cmp.Or(cfg.CommitWait, commitWait),
		history:    &newest{},
		stop:       func() {},
	}
}

// Log returns the logger of the configuration, or one that discards everything.
func (db *DB) Log() *slog.Logger { return db.log }

// Pool returns the connections, for River's driver.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Pooled reports whether the connections go through a pooler in session mode.
func (db *DB) Pooled() bool { return db.pooled }

// Close closes the pool, after waiting for the connections in use.
func (db *DB) Close() {
	db.stop()
	db.background.Wait()
	db.pool.Close()
}

// ErrURL means that the database's URL is malformed.
var ErrURL = errors.New("DATABASE_URL can't be read: it should look like postgres://USER:PASSWORD@HOST:PORT/DATABASE")

func parseURL(url string) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx's own text may quote the URL; a password must not get out.
		return nil, ErrURL
	}
	cc := pc.ConnConfig
	cc.ConnectTimeout = ConnectTimeout
	if len(several(cc)) > 0 {
		cc.ConnectTimeout = hostTimeout
	}
	if cc.RuntimeParams["application_name"] == "" {
		cc.RuntimeParams["application_name"] = "relabel"
	}
	cc.AfterConnect = takeSettings(cc.RuntimeParams).apply
	NoticeDead(&cc.Config)
	cc.Tracer = fetchDeadline{}
	pc.PingTimeout = pingTime
	pc.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	return pc, nil
}

// unreachable names where and why, in one line: pgx lists every address it
// tried on a line of its own.
func unreachable(cc *pgx.ConnConfig, err error) error {
	if stale, ok := errors.AsType[*StaleError](err); ok {
		return fmt.Errorf("PostgreSQL at %s can't be used: %w", addresses(cc), stale)
	}
	if pooler, ok := errors.AsType[*PoolerError](err); ok {
		return pooler
	}
	where := addresses(cc)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("error connecting to PostgreSQL at %s: %w", where, context.Canceled)
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("PostgreSQL at %s refused the connection: %s; check DATABASE_URL", where, pgErr.Message)
	}
	return fmt.Errorf("PostgreSQL at %s can't be reached: %s; is it running, and is DATABASE_URL right?", where, rootCause(err))
}

// addresses names all hosts of a URL.
func addresses(cc *pgx.ConnConfig) string {
	names := []string{address(cc)}
	for i, h := range several(cc) {
		if i > 0 {
			names = append(names, addressOf(h.Host, h.Port))
		}
	}
	return strings.Join(names, " or ")
}

func address(cc *pgx.ConnConfig) string { return addressOf(cc.Host, cc.Port) }

func addressOf(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return "socket " + host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func rootCause(err error) string {
	if stale, ok := errors.AsType[*StaleError](err); ok {
		return stale.Error()
	}
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return "it is a standby, which accepts no writes"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "no such host"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %.0f s", ConnectTimeout.Seconds())
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.TrimSpace(text)
}
