//go:build unix

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// fleetSize is how large TestFleet is: sites with a token each, rows a site, and processes
// that work all sites together.
type fleetSize struct {
	sites, rows, processes int

	limit  int
	window time.Duration
}

// parseFleet reads SITESxROWSxPROCESSES@LIMIT/WINDOW.
func parseFleet(s string) (f fleetSize, err error) {
	var window string
	if _, err := fmt.Sscanf(strings.NewReplacer("x", " ", "@", " ", "/", " ").Replace(s), "%d %d %d %d %s",
		&f.sites, &f.rows, &f.processes, &f.limit, &window); err != nil {
		return f, fmt.Errorf("%q is not like 1000x100x4@60/1m: %w", s, err)
	}
	f.window, err = time.ParseDuration(window)
	return f, err
}

// paced is how long a site's rows take at the rate of its limit.
func (f fleetSize) paced() time.Duration {
	return f.window * time.Duration(f.rows) / time.Duration(f.limit)
}

// Each of many sites uses its own limit, whatever the others do, and no window of any token
// is broken. -chaos.fleet changes the size; the CPU times that it logs are right only when
// the test runs alone.
//
//nolint:paralleltest // it needs the CPUs
func TestFleet(t *testing.T) {
	size, err := parseFleet(*fleetFlag)
	require.NoError(t, err)
	s := newStage(t, size.limit, size.window)
	tokens := s.addSites(size.sites)
	s.loadFleet(size)
	var workers []*process
	for i := range size.processes {
		workers = append(workers, s.spawn(fmt.Sprint("worker ", i), []string{
			"RELABEL_TIMES=", "RELABEL_CALL_TIMEOUT=30s", "RELABEL_TOKEN_DIRS=" + tokens,
		}, "work", "--site", "all"))
	}
	began := s.cost(workers)
	s.eventually(4*size.paced()+recovery, "every row has ended", func() bool {
		select {
		case <-time.After(time.Second):
		case <-s.Context().Done():
		}
		return ask[int](s, `SELECT sum(total - ended)::int FROM batch`) == 0
	})
	used := s.cost(workers).minus(began)
	for _, p := range workers {
		t.Logf("%s: %d MB", p.name, peakMemory(t, p.pid())>>20)
		p.signal(syscall.SIGTERM)
	}
	for _, p := range workers {
		require.NoError(t, p.wait(), p.output())
	}
	s.checkFleet(size, used)
}

// loadFleet loads rows for each site and gives them their jobs.
func (s *stage) loadFleet(size fleetSize) {
	s.Helper()
	client, err := jobs.NewInsertClient(s.db, slog.New(slog.DiscardHandler))
	require.NoError(s, err)
	for i := range size.sites {
		site, err := s.db.SiteByName(s.Context(), siteName(i))
		require.NoError(s, err)
		s.api.SetToken(siteToken(i), standin.TokenValid)
		_, err = s.db.Load(s.Context(), db.LoadParams{
			SiteID: site.ID, Name: site.Name, Source: "fleet", Priority: 2,
			Queue: func(ctx context.Context, tx pgx.Tx) error {
				_, err := jobs.Feed(ctx, tx, client, site, jobs.DefaultWindow)
				return err
			},
			Rows: func(yield func(*db.SourceRow, error) bool) {
				for n := range size.rows {
					name := fmt.Sprintf("%s %d", site.Name, n)
					if !yield(&db.SourceRow{Line: int64(n + 2), AssetID: standin.AssetID(i*size.rows + n), DisplayName: &name}, nil) {
						return
					}
				}
			},
		})
		require.NoError(s, err)
	}
}

// cost is what has been used so far.
type cost struct {
	relabel, database, api float64 // seconds of CPU time
	commits                int
}

func (c cost) minus(o cost) cost {
	return cost{c.relabel - o.relabel, c.database - o.database, c.api - o.api, c.commits - o.commits}
}

func (s *stage) cost(workers []*process) (c cost) {
	s.Helper()
	for _, p := range workers {
		c.relabel += cpu(s.T, p.pid())
	}
	c.database, c.api = s.serverCPU(), cpu(s.T, os.Getpid())
	c.commits = ask[int](s, `SELECT xact_commit::int FROM pg_stat_database WHERE datname = current_database()`)
	return c
}

// span is the calls of one token.
type span struct {
	calls, refused int
	last           time.Time // the end of its last call
}

// checkFleet checks each token's calls, and reports what they cost.
func (s *stage) checkFleet(size fleetSize, used cost) {
	s.Helper()
	calls := s.api.Log()
	spans := map[string]*span{}
	for _, c := range calls {
		one := cmp.Or(spans[c.Token], &span{})
		one.calls++
		one.last = c.AnsweredAt
		if c.Status != http.StatusOK {
			one.refused++
		}
		spans[c.Token] = one
	}
	var took []time.Duration
	for token, one := range spans {
		require.Equal(s, size.rows, one.calls, "calls of %s", token)
		require.Zero(s, one.refused, "refused calls of %s", token)
		took = append(took, one.last.Sub(calls[0].ArrivedAt))
	}
	require.Len(s, took, size.sites)
	slices.Sort(took)
	n, slowest := float64(len(calls)), took[len(took)-1]
	s.Logf("the sites' rows took %.1f s to %.1f s (median %.1f s), at their limit's rate %.1f s",
		took[0].Seconds(), slowest.Seconds(), took[len(took)/2].Seconds(), size.paced().Seconds())
	s.Logf("CPU time a call: relabel %.0f µs, PostgreSQL %.0f µs, the stand-in and the test %.0f µs; %.2f transactions a call",
		1e6*used.relabel/n, 1e6*used.database/n, 1e6*used.api/n, float64(used.commits)/n)
	require.LessOrEqual(s, s.api.MaxInWindow(size.window), size.limit)
	s.checkConserved()
	if !raceEnabled {
		require.LessOrEqual(s, fullUse*slowest.Seconds(), size.paced().Seconds(), "the slowest site used less than its limit")
	}
}

// peakMemory returns the most memory that a process had so far, in bytes; 0 without /proc.
func peakMemory(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(after, &bytes)
	require.NoError(t, err)
	return bytes << 10
}
