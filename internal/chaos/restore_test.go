//go:build unix

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// A backup is taken in the midst of a run. Then more rows are sent, a newer batch too, and
// the database is lost. On the restored one the newer batch is loaded again before a
// worker starts, as docs/operations.md says. Nothing is lost, the newest names win, and
// nothing that the backup knows as sent is sent again.
func TestRestore(t *testing.T) {
	t.Parallel()
	const n, newer = 150, 20
	s := newStage(t, 20, 2*time.Second)
	dump := s.dumper()
	worker := s.worker("before")
	s.waitRegistered(worker)
	s.enqueue(renames(n, "value"))
	s.waitCalls(35)
	dump()
	s.waitCalls(s.api.Calls() + 15)
	lost := renames(n, "newer")
	lost = append(lost[:newer/2:newer/2], lost[n-newer/2:]...) // some are sent already, some are not
	s.enqueue(lost, "--priority", "1")
	s.eventually(recovery, "the newer batch is done", func() bool {
		return ask[int](s, `SELECT count(*) FROM batch WHERE status = 'done' AND total = $1`, newer) == 1
	})
	worker.kill()
	require.Positive(t, s.open(), "too quick: all was sent before the database was lost")
	calls := s.api.Calls()
	s.waitWindow()

	r := s.restored()
	known := r.succeeded()
	require.GreaterOrEqual(t, len(known), 15, "what was sent before the backup is known")
	require.Less(t, len(known), calls-newer, "what was sent after it is not")
	r.enqueue(lost, "--force")
	r.worker("after")
	r.waitFinished(time.Now())
	r.checkAll()
	require.Len(t, r.rows(), n+newer)
	again := map[rename]int{}
	for _, c := range s.patches()[calls:] {
		sent := rename{c.AssetID, *c.DisplayName}
		again[sent]++
		require.Equal(t, 1, again[sent], "sent twice after the backup was restored: %+v", c)
		require.False(t, known[sent], "sent again, although the backup has it as sent: %+v", c)
	}
	for _, row := range lost {
		require.Equal(t, row.name, s.api.Name(row.asset, ""))
	}
}

// If the newer batch is not loaded again, the older name is sent, because the restored
// database knows nothing of the newer one.
func TestRestoreWithoutTheNewerBatch(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0, 0)
	dump := s.dumper()
	s.enqueue(renames(1, "older"))
	dump()
	s.enqueue(renames(1, "newer"))
	worker := s.worker("before")
	s.waitFinished(time.Now())
	worker.kill()
	name := func() string { return s.api.Name(standin.AssetID(0), "") }
	require.Equal(t, "newer 0", name())

	r := s.restored()
	r.worker("after")
	r.waitFinished(time.Now())
	require.Equal(t, "older 0", name())
	r.enqueue(renames(1, "newer"))
	r.waitFinished(time.Now())
	require.Equal(t, "newer 0", name(), "the new name is there after a second load")
	r.checkConserved()
}

// relabel's record of what was sent is as old as the backup. A name that was overwritten
// since then seems unchanged, so only --force sends it.
func TestRestoreNeedsForce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0, 0)
	dump := s.dumper()
	worker := s.worker("before")
	s.enqueue(renames(1, "older"))
	s.waitFinished(time.Now())
	dump()
	s.enqueue(renames(1, "newer"))
	s.waitFinished(time.Now())
	worker.kill()

	r := s.restored()
	r.worker("after")
	for _, load := range []struct {
		flags []string
		name  string
	}{{nil, "newer 0"}, {[]string{"--force"}, "older 0"}} {
		r.enqueue(renames(1, "older"), load.flags...)
		r.waitFinished(time.Now())
		require.Equal(t, load.name, s.api.Name(standin.AssetID(0), ""))
	}
	r.checkConserved()
}

// A schedule's run that the backup knows is not repeated. One that it does not know runs
// once more when it was due, and finds nothing to send.
func TestRestoreSchedule(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0, 0)
	dump := s.dumper()
	s.newSchedule()
	worker := s.worker("before")
	s.waitRegistered(worker)
	done := func(s *stage, runs int) {
		s.Helper()
		s.eventually(recovery, "the run is done", func() bool {
			return ask[int](s, `SELECT count(*) FROM schedule_run WHERE status = 'done'`) == runs
		})
	}
	s.makeDue()
	done(s, 1)
	s.api.SetName(standin.AssetID(0), "", "by hand")
	dump()
	s.makeDue() // the time that the restored database has not seen pass
	done(s, 2)
	worker.kill()
	require.Len(t, s.patches(), differing+1)

	r := s.restored()
	r.waitRegistered(r.worker("after"))
	r.makeDue()
	done(r, 2)
	require.Equal(t, 2, ask[int](r, `SELECT count(*) FROM schedule_run`))
	require.Len(t, s.patches(), differing+1, "the site has those names already")
}

// dumper returns a function that backs up the database. It skips the test at once if there
// is no pg_dump.
func (s *stage) dumper() (dump func()) {
	s.Helper()
	program := s.clientProgram("pg_dump")
	return func() {
		s.runClient(program, s.dbURL, "--schema", "relabel", "--format", "custom", "--file", s.dumpFile())
	}
}

// restored restores the backup into a new database, and returns the stage on it.
func (s *stage) restored() *stage {
	s.Helper()
	pg, err := server()
	require.NoError(s, err)
	databaseURL, err := pg.copyDatabase(s.Context(), "template0")
	require.NoError(s, err)
	s.runClient(s.clientProgram("pg_restore"), databaseURL, "--no-owner", "--exit-on-error", s.dumpFile())
	return s.on(databaseURL)
}

func (s *stage) dumpFile() string { return filepath.Join(workDir, s.Name()+".dump") }

// runClient runs one of PostgreSQL's client programs.
func (s *stage) runClient(program, databaseURL string, args ...string) {
	s.Helper()
	out, err := exec.CommandContext(s.Context(), program, append(args, "--dbname", databaseURL)...).CombinedOutput()
	require.NoError(s, err, string(out))
}

// clientProgram finds one that fits the server: pg_dump refuses a newer one. Without it
// the test is skipped, unless RELABEL_REQUIRE_PGDUMP is set.
func (s *stage) clientProgram(name string) string {
	s.Helper()
	major := ask[string](s, `SELECT split_part(current_setting('server_version'), '.', 1)`)
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	require.NoError(s, err)
	for _, program := range append([]string{name}, folders...) {
		out, err := exec.CommandContext(s.Context(), program, "--version").Output()
		if words := strings.Fields(string(out)); err == nil && len(words) > 2 && atLeast(words[2], major) {
			return program
		}
	}
	missing := fmt.Sprintf("there is no %s of PostgreSQL %s on this machine (Debian's package postgresql-client)", name, major)
	if os.Getenv("RELABEL_REQUIRE_PGDUMP") != "" {
		s.Fatal(missing + ", and RELABEL_REQUIRE_PGDUMP wants one")
	}
	s.Skip(missing)
	return ""
}

func atLeast(version, major string) bool {
	has, _, _ := strings.Cut(version, ".")
	a, errA := strconv.Atoi(has)
	b, errB := strconv.Atoi(major)
	return errA == nil && errB == nil && a >= b
}

// succeeded returns the rows that the database has as sent.
func (s *stage) succeeded() map[rename]bool {
	s.Helper()
	set := map[rename]bool{}
	for _, r := range s.rows() {
		if r.Status == "succeeded" {
			set[rename{r.AssetID, r.Name}] = true
		}
	}
	return set
}

// waitWindow waits until no call counts any more. The restored database does not know the
// last ones.
func (s *stage) waitWindow() {
	s.Helper()
	log := s.api.Log()
	over := log[len(log)-1].ArrivedAt.Add(s.window + time.Second) // and the answer's time
	s.eventually(time.Minute, "the window of the limit is over", func() bool { return time.Now().After(over) })
}
