package jobs

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

// rowsEnded tells the watch of rows in a batch: f failed with the usual cause, o
// failed with another, s succeeded, p pending again, l a lost lease, u superseded.
// It returns the reasons it gave, by the number of the row.
func rowsEnded(w *failureWatch, batch int64, rows string) map[int]string {
	finishes := map[rune]db.Finish{
		'f': {Status: "failed", Code: "not_found", Message: "no such asset"},
		'o': {Status: "failed", Message: "another cause"},
		's': {Status: "succeeded"},
		'p': {Status: "pending", Code: "not_found", Message: "no such asset"},
		'l': {Code: "not_found", Message: "no such asset"},
		'u': {Status: "superseded", Code: "not_found", Message: "no such asset"},
	}
	reasons := map[int]string{}
	for i, row := range rows {
		if reason := w.ended(batch, fmt.Sprintf("asset-%d", i), finishes[row]); reason != "" {
			reasons[i] = reason
		}
	}
	return reasons
}

func TestFailureWatch(t *testing.T) {
	t.Parallel()

	const cause = "not_found: no such asset"
	reason := func(n int, samples string) string {
		return fmt.Sprintf("%d of the last 200 rows failed for the same cause: %s (such as assets %s)", n, cause, samples)
	}
	for _, row := range []struct {
		name  string
		share float64
		rows  string
		want  map[int]string
	}{
		{"all fail: said with the 200th row, and not before", 0.5, strings.Repeat("f", 250), map[int]string{
			199: reason(200, "asset-0, asset-1, asset-2"),
		}},
		{"just half: not more than half", 0.5, strings.Repeat("fs", 200), nil},
		{"one more than half", 0.5, strings.Repeat("sf", 99) + "ff" + "s", map[int]string{
			199: reason(101, "asset-1, asset-3, asset-5"),
		}},
		{"two causes, each below half", 0.5, strings.Repeat("fo", 200), nil},
		{"old failures are forgotten", 0.5, strings.Repeat("f", 100) + strings.Repeat("s", 101) + strings.Repeat("f", 99), nil},
		{"rows that did not end are not looked at", 0.5, strings.Repeat("fppll", 150), nil},
		{"superseded rows are no failures", 0.5, strings.Repeat("fuu", 200), nil},
		{"a resumed batch gets a new chance of 200", 0.5, strings.Repeat("f", 400), map[int]string{
			199: reason(200, "asset-0, asset-1, asset-2"), 399: reason(200, "asset-200, asset-201, asset-202"),
		}},
		{"off", 0, strings.Repeat("f", 400), nil},
		{"another share", 0.1, strings.Repeat("s", 179) + strings.Repeat("f", 21), map[int]string{
			199: reason(21, "asset-179, asset-180, asset-181"),
		}},
		{"all of them, wanted to be more than all: never", 1, strings.Repeat("f", 400), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.want == nil {
				row.want = map[int]string{}
			}
			require.Equal(t, row.want, rowsEnded(newFailureWatch(row.share), 1, row.rows))
		})
	}
}

func TestFailureWatchBatchesApart(t *testing.T) {
	t.Parallel()

	w := newFailureWatch(0.5)
	require.Empty(t, rowsEnded(w, 1, strings.Repeat("f", 199)))
	require.Empty(t, rowsEnded(w, 2, strings.Repeat("f", 199)))
	require.Len(t, rowsEnded(w, 1, "f"), 1)
	require.Len(t, rowsEnded(w, 2, "f"), 1)
}

func TestFailureWatchConcurrently(t *testing.T) {
	t.Parallel()

	w := newFailureWatch(0.5)
	var mu sync.Mutex
	said := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			n := len(rowsEnded(w, 1, strings.Repeat("f", 100)))
			mu.Lock()
			defer mu.Unlock()
			said += n
		})
	}
	all.Wait()
	require.Equal(t, 4, said, "once each 200 rows")
}

// A process that works for months keeps what it needs of batches that are at work,
// and nothing of those that have ended.
func TestFailureWatchForgets(t *testing.T) {
	t.Parallel()

	w := newFailureWatch(0.5)
	for batch := range int64(1000) {
		require.Empty(t, rowsEnded(w, 1000+batch, "f"))
		if batch < 199 {
			require.Empty(t, rowsEnded(w, 1, "f"), "one that goes on beside the others")
		}
	}
	require.LessOrEqual(t, len(w.batches), watchedBatches)
	require.Contains(t, w.batches, int64(1999))
	require.NotContains(t, w.batches, int64(1), "no row for 800 batches")
	require.Empty(t, rowsEnded(w, 1, strings.Repeat("f", 199)), "it begins anew")
	require.Len(t, rowsEnded(w, 1, "f"), 1)
}

// Others that come and go do not keep a batch from being paused.
func TestFailureWatchGoesOnBesideOthers(t *testing.T) {
	t.Parallel()

	w := newFailureWatch(0.5)
	for row := range int64(199) {
		require.Empty(t, rowsEnded(w, 1, "f"))
		require.Empty(t, rowsEnded(w, 2+row, "s"))
	}
	require.Len(t, rowsEnded(w, 1, "f"), 1)
}
