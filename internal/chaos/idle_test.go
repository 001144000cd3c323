//go:build unix

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mostStatements is how many statements a second an idle worker may send. 3 is a
// thousandth of what the smallest database does.
const mostStatements = 3.0

// TestIdle counts the statements that an idle worker sends in its normal times, and
// logs the share of a CPU that it and PostgreSQL take. The share is right only when the
// test runs alone.
func TestIdle(t *testing.T) {
	t.Parallel()
	s := newStage(t, 60, time.Minute)
	s.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_statement = ''all''', current_database()); END $$`)
	p := s.spawn("worker", []string{"RELABEL_TIMES=", "RELABEL_CALL_TIMEOUT=30s"}, "work")
	s.waitRegistered(p)
	first := s.statements()
	s.eventually(time.Minute, "the worker has started", func() bool { return len(s.statements()) > len(first)+10 })
	log, worker, database := s.statements(), cpu(t, p.pid()), s.serverCPU()
	select {
	case <-time.After(*idleFlag):
	case <-t.Context().Done():
	}
	log = s.statements()[len(log):]
	seconds := idleFlag.Seconds()
	t.Logf("%.2f statements/s, %.2f %% of a CPU in relabel, %.2f %% in PostgreSQL", float64(len(log))/seconds,
		100*(cpu(t, p.pid())-worker)/seconds, 100*(s.serverCPU()-database)/seconds)
	t.Log(strings.Join(log, "\n"))
	require.LessOrEqual(t, float64(len(log))/seconds, mostStatements)
}

// statementLine is what PostgreSQL logs of a statement; only the database of TestIdle
// logs any.
var statementLine = regexp.MustCompile(`(?m)LOG:  (?:execute [^:]*|statement): (.*(?:\n[\t ].*)*)`)

// statements returns the statements that were logged so far.
func (s *stage) statements() (list []string) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(workDir, "pg", "log", "*.log"))
	require.NoError(s, err)
	require.Len(s, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(s, err)
	for _, m := range statementLine.FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	return list
}

// serverCPU returns the CPU time of PostgreSQL so far, in seconds.
func (s *stage) serverCPU() (seconds float64) {
	s.Helper()
	for _, pid := range strings.Fields(ask[string](s, `SELECT string_agg(pid::text, ' ') FROM pg_stat_activity`)) {
		n, err := strconv.Atoi(pid)
		require.NoError(s, err)
		seconds += cpu(s.T, n)
	}
	return seconds
}

// cpu returns the CPU time of a process so far, in seconds; 0 without /proc.
func cpu(t *testing.T, pid int) (seconds float64) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	require.NoError(t, err)
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		ns, err := strconv.ParseFloat(strings.Fields(string(stat))[0], 64)
		require.NoError(t, err)
		seconds += ns / 1e9
	}
	return seconds
}
