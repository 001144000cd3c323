//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// previousRelease is the commit of the release before, whose workers must survive the
// migrations since. It is built from the repository's history.
const previousRelease = "9ebfcd2bea46b6116c2f8ff0e1b40a4ef74cc6fd"

// errNoHistory means a copy of the source without its history.
var errNoHistory = errors.New("the commit of the previous release is not in this repository: git fetch --unshallow")

//nolint:gochecknoglobals // as binary
var previous = sync.OnceValues(buildPrevious)

func buildPrevious() (string, error) {
	if exec.Command("git", "cat-file", "-e", previousRelease).Run() != nil {
		return "", errNoHistory
	}
	dir := filepath.Join(workDir, "previous")
	must(os.Mkdir(dir, 0o755))
	unpack := exec.Command("sh", "-c", `git -C "$(git rev-parse --show-toplevel)" archive "$1" | tar -x -C "$2"`, "sh", previousRelease, dir)
	if out, err := unpack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("error unpacking the previous release: %w\n%s", err, out)
	}
	path := filepath.Join(workDir, "relabel-previous")
	build := exec.Command("go", "build", "-tags", "failpoints", "-o", path, "./cmd/relabel")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("error building the previous release: %w\n%s", err, out)
	}
	return path, nil
}

// previousBinary skips the test where there is no history, unless that is required.
func previousBinary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds another release")
	}
	path, err := previous()
	if errors.Is(err, errNoHistory) && os.Getenv("RELABEL_REQUIRE_HISTORY") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return path
}

// newEmptyStage has a database with nothing in it.
func newEmptyStage(t *testing.T, limit int, window time.Duration) *stage {
	t.Helper()
	admit(t)
	pg, err := server()
	require.NoError(t, err)
	databaseURL, err := pg.copyDatabase(t.Context(), "template0")
	require.NoError(t, err)
	return stageOn(t, databaseURL, limit, window)
}

// Workers of the release before and of this one share the work while the database is
// migrated. The old ones then leave one by one.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	old := previousBinary(t)
	const n, newer = 900, 60 // a minute of work, also for a busy machine
	s := newEmptyStage(t, 30, 2*time.Second)
	up := s.spawnFrom(old, "old migration", nil, "migrate", "up")
	require.NoError(t, up.wait(), up.output())
	s.enqueueBy(old, renames(n, "value"))
	leaves, stays := s.spawnFrom(old, "leaves", nil, "work"), s.spawnFrom(old, "stays", nil, "work")
	leavesID, staysID := s.waitRegistered(leaves), s.waitRegistered(stays)
	s.waitCalls(40)

	from := ask[int](s, `SELECT version FROM schema_version`)
	up = s.spawn("migration", nil, "migrate", "up")
	require.NoError(t, up.wait(), up.output())
	require.Greater(t, ask[int](s, `SELECT version FROM schema_version`), from, "this release has no migration: pin an older one")
	migrated := ask[time.Time](s, `SELECT clock_timestamp()`)
	newID := s.waitRegistered(s.worker("new"))
	s.enqueue(renames(n, "newer")[n-newer:])
	s.waitCallsSince(migrated, leavesID, staysID, newID)
	s.stopCleanly(leaves)
	s.stopCleanly(stays)
	_, err := s.db.CancelBatch(t.Context(), 1, nil) // enough was seen
	require.NoError(t, err)

	s.waitFinished(time.Now())
	s.checkAll()
	require.LessOrEqual(t, ask[int](s, `SELECT max(calls)::int FROM rename`), 1, "a row was sent twice")
	require.Equal(t, newer, ask[int](s, `SELECT succeeded::int FROM batch WHERE id = 2`))
	require.Equal(t, n, ask[int](s, `SELECT (succeeded + superseded + cancelled)::int FROM batch WHERE id = 1`))
}

// enqueueBy is enqueue with another build.
func (s *stage) enqueueBy(bin string, rows []rename) {
	s.Helper()
	p := s.spawnFrom(bin, "enqueue", nil, "enqueue", s.csv(rows))
	require.NoError(s, p.wait(), p.output())
}

// waitCallsSince waits until each of the processes has made a call.
func (s *stage) waitCallsSince(since time.Time, processes ...string) {
	s.Helper()
	s.eventually(time.Minute, "all processes make calls", func() bool {
		return ask[int](s, `SELECT count(DISTINCT process_id) FROM attempt WHERE sent_at > $1 AND process_id = ANY ($2)`,
			since, processes) == len(processes)
	})
}

func (s *stage) stopCleanly(p *process) {
	s.Helper()
	p.signal(syscall.SIGTERM)
	s.waitEnded(p)
	require.NoError(s, p.failure, p.output())
}

func (s *stage) waitEnded(p *process) {
	s.Helper()
	s.eventually(time.Minute, p.name+" has ended", p.hasEnded)
}

// A later release adds a column to every table, and tables. This one goes on working.
// When what it needs is taken away, its workers stop by themselves and lose nothing.
func TestLaterSchema(t *testing.T) {
	t.Parallel()
	const n, more = 120, 240
	s := newStage(t, 30, 2*time.Second)
	s.enqueue(renames(n, "value"))
	before := s.worker("before")
	beforeID := s.waitRegistered(before)
	s.waitCalls(20)
	version := s.migrateLater()
	migrated := ask[time.Time](s, `SELECT clock_timestamp()`)
	after := s.worker("after")
	afterID := s.waitRegistered(after)
	dashboard := s.spawn("dashboard", nil, "serve", "--listen", "127.0.0.1:0")
	s.waitCallsSince(migrated, beforeID, afterID)
	for _, args := range [][]string{
		{"status"},
		{"results", "1"},
		{"rows", "list"},
		{"rows", "errors"},
		{"site", "list"},
		{"schedule", "list"},
		{"doctor"},
		{"why", renames(1, "")[0].asset},
		{"prune", "--older-than", "1d", "--dry-run"},
		{"migrate", "up"},
	} {
		p := s.spawn(strings.Join(args, " "), nil, args...)
		require.NoError(s, p.wait(), p.output())
		require.Contains(t, p.err.String(), fmt.Sprintf("the database has schema %d", version))
	}
	s.waitFinished(time.Now())
	s.checkAll()
	s.checkSucceeded(n)

	s.enqueue(renames(n+more, "later")[n:])
	s.waitCalls(n + 10)
	s.exec(`UPDATE schema_version SET compatible_from = version`)
	for _, p := range []*process{before, after, dashboard} {
		s.waitEnded(p)
		require.Equal(t, 1, p.cmd.ProcessState.ExitCode(), p.output())
		require.Contains(t, p.err.String(), "install a newer relabel")
	}
	require.Zero(t, ask[int](s, `SELECT count(*) FROM process`))
	require.Zero(t, ask[int](s, `SELECT count(*) FROM rename WHERE status = 'sending'`), "calls in flight have ended")
	require.Positive(t, s.open(), "the batch was done before the workers saw the new schema")

	s.exec(`UPDATE schema_version SET compatible_from = version - 1`)
	s.worker("newer")
	s.waitFinished(time.Now())
	s.checkAll()
	s.checkSucceeded(n + more)
	require.Equal(t, n+more, s.api.Calls(), "each row is sent once")
}

// migrateLater makes a schema that this release does not know.
func (s *stage) migrateLater() (version int) {
	s.Helper()
	tables := ask[[]string](s, `
		SELECT array_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'relabel'::regnamespace AND relkind = 'r'`)
	for _, table := range tables {
		s.exec(`ALTER TABLE ` + pgx.Identifier{table}.Sanitize() + ` ADD COLUMN later text`)
	}
	s.exec(`CREATE TABLE later (id int PRIMARY KEY, note text)`)
	s.exec(`UPDATE schema_version SET version = version + 1, compatible_from = version`)
	return ask[int](s, `SELECT version FROM schema_version`)
}
