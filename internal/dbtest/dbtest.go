// Package dbtest owns the tests' databases: each test gets one of its own, on a
// server that all test processes of a run share. Making one costs a fifth of a
// second, so they are made from a migrated template when none is free, and
// cleaned and given to the next test otherwise (pool.go, clean.go).
//
// The server is the private PostgreSQL (embedpg), or the one named by
// RELABEL_TEST_DATABASE_URL. A missing server fails the test; it never skips.
package dbtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/embedpg"
)

// templateLock is the advisory lock under which one process makes the template.
const templateLock = 0x74657374

// server is the one that this test process uses. It is found once: joining the
// private server takes a lock and a connection.
//
//nolint:gochecknoglobals // a test process has one server, and TB gives no place to keep it
var server = sync.OnceValues(findServer)

// private is our share in the private server: should it be collected as garbage,
// its lock would be gone, and the server might be stopped under our tests.
//
//nolint:gochecknoglobals,unused // as server; it is there to be held
var private *embedpg.Server

// New gives an open database of its own to t, migrated, and closes it and gives
// it back at the end.
func New(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, URL(t))
}

// Open opens another pool on a database that URL gave.
func Open(t testing.TB, databaseURL string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: databaseURL})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// URL gives the address of a database of its own to t, migrated.
func URL(t testing.TB) string {
	t.Helper()
	databases, err := shared()
	require.NoError(t, err)
	c, err := databases.claim(t.Context(), template(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, databases.release(c)) })
	return withDatabase(t, databases.admin, c.name)
}

// EmptyURL gives the address of a database of its own to t with nothing in it:
// it is made for t, and dropped at the end.
func EmptyURL(t testing.TB) string {
	t.Helper()
	admin, err := server()
	require.NoError(t, err)
	name := databaseName(time.Now())
	require.NoError(t, execAdmin(t.Context(), admin, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0", name)))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, execAdmin(ctx, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"))
	})
	return withDatabase(t, admin, name)
}

func execAdmin(ctx context.Context, admin, sql string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("error connecting to the test server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(t testing.TB, admin, name string) string {
	t.Helper()
	address, err := addressOf(admin, name)
	require.NoError(t, err)
	return address
}

func addressOf(admin, name string) (string, error) {
	u, err := url.Parse(admin)
	if err != nil {
		return "", fmt.Errorf("error reading the server's address: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// databaseName tells since when the database is in use. It is never used again, so
// what a killed test has left running finds its database gone.
// The name fits into 63 bytes, with a family behind it.
func databaseName(now time.Time) string {
	return fmt.Sprintf("%s%08x_%s", prefix, now.Unix(), strings.ReplaceAll(uuid.NewString(), "-", "")[:20])
}

const prefix = "relabel_test_"

// leftAfter is when a test's database counts as left behind: no run takes longer,
// and one that is free goes to a new run sooner than that or is of little use.
const leftAfter = 2 * time.Hour

// isLeft tells whether a database is a test's that was made so long ago.
func isLeft(name string, now time.Time) bool {
	made, _, ok := strings.Cut(strings.TrimPrefix(name, prefix), "_")
	if !ok || !strings.HasPrefix(name, prefix) {
		return false
	}
	at, err := strconv.ParseInt(made, 16, 64)
	return err == nil && now.Sub(time.Unix(at, 0)) > leftAfter
}

// findServer names the server, and drops what killed runs have left there.
func findServer() (string, error) {
	admin, err := findOrStart()
	if err == nil {
		err = dropLeft(context.Background(), admin, time.Now())
	}
	return admin, err
}

func dropLeft(ctx context.Context, admin string, now time.Time) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("error connecting to the test server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, prefix)
	if err != nil {
		return fmt.Errorf("error listing databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("error listing databases: %w", err)
	}
	for _, name := range names {
		if isLeft(name, now) {
			// Another process may do the same, or still use it: then it stays for the next run.
			_, _ = conn.Exec(ctx, `DROP DATABASE IF EXISTS `+name)
		}
	}
	return nil
}

// findOrStart joins the private server. Nobody closes it in this process: the
// kernel releases its lock at exit, and the next run finds the server warm.
func findOrStart() (string, error) {
	if named := os.Getenv("RELABEL_TEST_DATABASE_URL"); named != "" {
		return named, nil
	}
	s, err := embedpg.Open(context.Background(), embedpg.Config{
		StateDir: stateDir(),
		Settings: settings(),
	})
	if err != nil {
		return "", fmt.Errorf("error starting the tests' PostgreSQL: %w", err)
	}
	private = s
	return s.URL(), nil
}

// settings spare what a test's rows, which live for seconds, don't need: to survive
// a crash of the server, and to be vacuumed. With hundreds of databases a worker
// for that would start every 100 ms.
func settings() map[string]string {
	return map[string]string{
		"max_connections":    "300",
		"fsync":              "off",
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		"autovacuum":         "off",
		"checkpoint_timeout": "1h",
	}
}

// stateDir is the same for all test processes of a user, and apart from the
// user's own private server.
func stateDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("relabel-test-%d", os.Getuid()))
}
