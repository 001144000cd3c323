// Package dbtest gives each test a database of its own.
//
// New returns an open, migrated database, URL its address, and EmptyURL the address of a
// database without tables. The test needs no cleanup.
//
// All test processes share one server: a private PostgreSQL (package embedpg), or the
// one in RELABEL_TEST_DATABASE_URL. RELABEL_TEST_POSTGRES names the folder of the server
// programs, to test with another version. If there is no server, the test fails; it is
// never skipped.
//
// Creating a database takes 0.2 s, so databases are used again (pool.go). A test gets a
// free one, cleaned (clean.go), or else a copy of a migrated template (template.go).
package dbtest

import (
	"context"
	"fmt"
	"hash/crc32"
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
	"relabel/internal/pg"
)

// templateLock is the advisory lock of the process that makes the template.
const templateLock = 0x74657374

// server is the address of this test process's server. It is found once, because
// joining the private server takes a lock and a connection.
//
//nolint:gochecknoglobals // a test process has one server, and TB has no place to store it
var server = sync.OnceValues(findServer)

// private keeps the private server referenced. If it were collected as garbage, its lock
// would be released, and the server could stop during our tests.
//
//nolint:gochecknoglobals,unused // as server; it only holds the reference
var private *embedpg.Server

// New returns an open, migrated database for t alone. It is closed and released when t
// ends.
func New(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, URL(t))
}

// Open opens a pool on a database that URL returned. It is closed when t ends.
func Open(t testing.TB, databaseURL string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), pg.Config{URL: databaseURL})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// URL returns the address of a migrated database for t alone.
func URL(t testing.TB) string {
	t.Helper()
	databases, err := shared()
	require.NoError(t, err)
	c, err := databases.claim(t.Context(), template(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, databases.release(c)) })
	return withDatabase(t, databases.admin, c.name)
}

// EmptyURL returns the address of a new database without tables for t alone. It is
// dropped when t ends.
func EmptyURL(t testing.TB) string {
	t.Helper()
	admin, err := server()
	require.NoError(t, err)
	name := databaseName(time.Now())
	require.NoError(t, execAdmin(t.Context(), admin, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 STRATEGY FILE_COPY", name)))
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

// databaseName makes a name with the time since when the database is in use. A name is
// never used twice, so processes of a killed test don't find their database any more.
// With a family at its end it still fits into PostgreSQL's 63 bytes.
func databaseName(now time.Time) string {
	return fmt.Sprintf("%s%08x_%s", prefix, now.Unix(), strings.ReplaceAll(uuid.NewString(), "-", "")[:20])
}

const prefix = "relabel_test_"

// abandonedAfter is the age after which a test's database is dropped. No run takes that
// long, and a free database that nobody used for that long is hardly needed.
const abandonedAfter = 2 * time.Hour

// isAbandoned reports whether name is that of a test's database that old.
func isAbandoned(name string, now time.Time) bool {
	made, _, ok := strings.Cut(strings.TrimPrefix(name, prefix), "_")
	if !ok || !strings.HasPrefix(name, prefix) {
		return false
	}
	at, err := strconv.ParseInt(made, 16, 64)
	return err == nil && now.Sub(time.Unix(at, 0)) > abandonedAfter
}

// findServer returns the server's address, and drops the databases that killed runs left.
func findServer() (string, error) {
	admin, err := findOrStart()
	if err == nil {
		err = dropAbandoned(context.Background(), admin, time.Now())
	}
	return admin, err
}

func dropAbandoned(ctx context.Context, admin string, now time.Time) error {
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
		if isAbandoned(name, now) {
			// It fails if another process does the same or still uses it. The next run tries again.
			_, _ = conn.Exec(ctx, `DROP DATABASE IF EXISTS `+name)
		}
	}
	return nil
}

// findOrStart joins the private server. This process never closes it: the kernel
// releases its lock at exit, and the server goes on for the next run.
func findOrStart() (string, error) {
	if named := os.Getenv("RELABEL_TEST_DATABASE_URL"); named != "" {
		return named, nil
	}
	ChoosePrograms()
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

// settings switch off durability and vacuum, because a test's rows live for seconds.
// With hundreds of databases, autovacuum would start a worker every 100 ms.
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

// stateDir is the same for all test processes of a user. It is not the folder of the
// user's own private server. Each set of server programs has one, because a private server
// keeps to the version that made its folder.
func stateDir() string {
	name := fmt.Sprintf("relabel-test-%d", os.Getuid())
	if programs := os.Getenv("RELABEL_TEST_POSTGRES"); programs != "" {
		name += fmt.Sprintf("-%08x", crc32.ChecksumIEEE([]byte(programs)))
	}
	return filepath.Join(os.TempDir(), name)
}

// ChoosePrograms makes private servers of this test process run the programs that
// RELABEL_TEST_POSTGRES names: embedpg takes the first in PATH.
func ChoosePrograms() {
	if programs := os.Getenv("RELABEL_TEST_POSTGRES"); programs != "" {
		_ = os.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
}
