// Package db owns relabel's tables. It is the only package that writes SQL against
// them, and knows no other package of relabel's work.
//
// Open returns a DB: a connection pool with one method for each thing that is read or
// changed. Load stores a batch, Compare and Apply turn a plan into an active batch,
// Feed, Claim and Finish move its rows, Grant and Observe keep the rate limit, and
// RetryRows, CancelRows and CancelBatch do what a person asks for. What is read for
// people is in Rows, History, Results and BatchStatus. StartDue and TendRuns bring the
// runs of schedules on.
//
// The words that are stored (RowStatus, BatchStatus, ...) are in words.go. Long
// statements are files of sql/, with the parts that they share in sql/fragments.
//
// Three rules hold everywhere. All times come from the database's clock: what a
// process measures, such as how long ago an answer arrived, is passed as a duration.
// Rows are locked by id, then batches by id, so that no two statements wait for each
// other. Whatever changes a row's status also changes its batch's counters, in the
// same statement (fragment moves).
package db

import (
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

	connectTimeout = 10 * time.Second

	// MaxCallTime is the longest that a call may be given: a lease is little
	// longer, and its renames must go on within 90 s of a crash.
	MaxCallTime = time.Minute
)

// Config says which database, and how much of it.
type Config struct {
	URL      string
	MaxConns int32        // 0: 12
	Logger   *slog.Logger // what a migration waits for; nil: not logged
}

// DB is a pool of connections whose search_path is relabel's schema.
type DB struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	acceptChunk int // rows
	commitKnown time.Duration
}

// Open connects, and fails at once when the database can't be reached. Its
// error names host and port and never the password.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = cfg.MaxConns
	if pc.MaxConns == 0 {
		pc.MaxConns = defaultMaxConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("error making the connection pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unreachable(pc.ConnConfig, err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &DB{pool: pool, log: log, acceptChunk: acceptChunk, commitKnown: commitKnown}, nil
}

// Pool returns the connections, for River's driver.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Close closes the pool, after waiting for the connections in use.
func (db *DB) Close() { db.pool.Close() }

func parseURL(url string) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx's own text may quote the URL; a password must not get out.
		return nil, errors.New("DATABASE_URL can't be read: it should look like postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	cc := pc.ConnConfig
	cc.ConnectTimeout = connectTimeout
	set := cc.RuntimeParams
	set["search_path"] = Schema
	set["timezone"] = "UTC"
	// Every statement must see what the last holder of its lock has written; a
	// database shared with an application may have another default.
	set["default_transaction_isolation"] = "read committed"
	if set["application_name"] == "" {
		set["application_name"] = "relabel"
	}
	// Every query has an index that serves it, in its order. Without these a plan
	// made while a table was empty (a sequential scan) stays in use when it holds
	// 5,000,000 rows, and statistics of yesterday's small batches have the feed
	// read and sort all open rows (a bitmap scan) for the first 10,000; loading,
	// which does read whole batches, switches sequential scans on.
	set["enable_seqscan"] = "off"
	set["enable_bitmapscan"] = "off"
	set["jit"] = "off"
	for name, v := range serverSettings() { // the URL may say otherwise
		if set[name] == "" {
			set[name] = v
		}
	}
	NoticeDead(&cc.Config)
	cc.Tracer = fetchDeadline{}
	pc.PingTimeout = pingTime
	return pc, nil
}

// unreachable names where and why, in one line: pgx lists every address it
// tried on a line of its own.
func unreachable(cc *pgx.ConnConfig, err error) error {
	where := net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port)))
	if strings.HasPrefix(cc.Host, "/") {
		where = "socket " + cc.Host
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("PostgreSQL at %s refused the connection: %s; check DATABASE_URL", where, pgErr.Message)
	}
	return fmt.Errorf("PostgreSQL at %s can't be reached: %s; is it running, and is DATABASE_URL right?", where, rootCause(err))
}

func rootCause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "no such host"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + connectTimeout.String()
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.TrimSpace(text)
}

// Transient reports whether the same statement may succeed in a moment: the
// connection broke, the server restarts, or two transactions deadlocked.
func Transient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return transientCode(pgErr.Code)
	}
	// Not an answer of the server: the connection was lost or can't be made.
	var netErr net.Error
	var connectErr *pgconn.ConnectError
	return errors.As(err, &netErr) || errors.As(err, &connectErr) ||
		pgconn.SafeToRetry(err) || pgconn.Timeout(err) || lostConnection(err)
}

// transientCode knows PostgreSQL's classes 08 (connection), 40 (rollback:
// deadlock, serialization), 53 (resources) and 57P (shutdown, crash), and the code for
// a transaction that was idle for too long.
func transientCode(code string) bool {
	for _, class := range []string{"08", "40", "53", "57P", stoodStill} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

func lostConnection(err error) bool {
	text := err.Error()
	for _, part := range []string{"unexpected EOF", "conn closed", "connection reset", "broken pipe", "closed pool"} {
		if strings.Contains(text, part) {
			return part != "closed pool"
		}
	}
	return false
}
