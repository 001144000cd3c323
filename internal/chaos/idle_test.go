//go:build unix

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

// TestIdle counts the statements that an idle worker sends in its normal times, with one
// site and with many, each of its own token. It logs the share of a CPU that the worker and
// PostgreSQL take, which is right only when the test runs alone.
func TestIdle(t *testing.T) {
	t.Parallel()
	s := newStage(t, 60, time.Minute)
	s.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_statement = ''all''', current_database()); END $$`)
	const many = 1000
	for _, step := range []struct {
		sites int
		most  float64 // statements a second
	}{{1, 3}, {many, 30}} {
		tokens := s.addSites(step.sites - 1)
		p := s.spawn("worker", []string{"RELABEL_TIMES=", "RELABEL_CALL_TIMEOUT=30s", "RELABEL_TOKEN_DIRS=" + tokens}, "work", "--site", "all")
		s.waitRegistered(p)
		s.waitIdle()
		require.LessOrEqual(t, s.measureIdle(p, step.sites), step.most, "%d sites", step.sites)
		p.signal(syscall.SIGTERM)
		require.NoError(t, p.wait(), p.output())
	}
}

// addSites adds sites with a token each, and returns the folder of the tokens' files.
func (s *stage) addSites(n int) (tokens string) {
	s.Helper()
	tokens = s.TempDir()
	for i := range n {
		name := siteName(i)
		file := filepath.Join(tokens, name)
		require.NoError(s, os.WriteFile(file, []byte(siteToken(i)), 0o600))
		require.NoError(s, s.db.SaveSite(s.Context(), db.Site{Name: name, TokenFile: &file}))
	}
	return tokens
}

// siteName and siteToken are those of the sites that addSites adds.
func siteName(i int) string { return fmt.Sprintf("site-%04d", i) }

func siteToken(i int) string { return token + "-" + siteName(i) }

// waitIdle waits until the statements of a start are over.
func (s *stage) waitIdle() {
	s.Helper()
	before := 0
	s.eventually(2*time.Minute, "the worker has started", func() bool {
		select {
		case <-time.After(2 * time.Second):
		case <-s.Context().Done():
		}
		n := len(s.statements())
		quiet := before > 0 && n-before < 100
		before = n
		return quiet
	})
}

// measureIdle returns the statements a second.
func (s *stage) measureIdle(p *process, sites int) float64 {
	s.Helper()
	began, log, worker, database := time.Now(), s.statements(), cpu(s.T, p.pid()), s.serverCPU()
	select {
	case <-time.After(*idleFlag):
	case <-s.Context().Done():
	}
	log = s.statements()[len(log):]
	seconds := time.Since(began).Seconds()
	rate := float64(len(log)) / seconds
	s.Logf("%d sites: %.2f statements/s, %.2f %% of a CPU in relabel, %.2f %% in PostgreSQL", sites, rate,
		100*(cpu(s.T, p.pid())-worker)/seconds, 100*(s.serverCPU()-database)/seconds)
	s.Log(strings.Join(log, "\n"))
	return rate
}

// statementLine is what PostgreSQL logs of a statement; only the database of TestIdle
// logs any.
var statementLine = regexp.MustCompile(`(?m)LOG:  (?:execute [^:]*|statement): (.*(?:\n[\t ].*)*)`)

// statements returns the statements that were logged so far.
func (s *stage) statements() (list []string) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir, "pg", "log", "*.log"))
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
