package intake

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A file of many chunks comes out complete and in order, refused rows in their places.
func TestOrder(t *testing.T) {
	t.Parallel()
	const n = 10_500
	row := func(i int) string {
		switch {
		case i == 0:
			return head
		case i%7 == 0:
			return "nope,a\n"
		}
		return fmt.Sprintf("%024x,\"name\n%d\"\n", i, i)
	}
	var want, lines []string
	for i, line := 1, 2; i <= n; i++ {
		id := "nope"
		lines = append(lines, fmt.Sprint(line))
		if line++; i%7 != 0 {
			id = fmt.Sprintf("%024x", i)
			line++ // the line break in the name
		}
		want = append(want, id)
	}
	for _, workers := range []int{0, 1, 8} {
		csv, err := NewCSV(&rowSource{n: n + 1, row: row}, CSVParams{workers: workers})
		require.NoError(t, err)
		rows, err := collect(csv)
		require.NoError(t, err)
		var got, at []string
		for _, r := range rows {
			got, at = append(got, r.AssetID), append(at, fmt.Sprint(r.Line))
		}
		require.Equal(t, want, got)
		require.Equal(t, lines, at)
	}
}

// synctest fails the test when a goroutine is left.
func TestAbandon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		csv, err := NewCSV(&rowSource{n: 50_000, row: typicalRow}, CSVParams{workers: 4})
		require.NoError(t, err)
		for rows, err := range csv.Chunks(t.Context()) {
			require.NoError(t, err)
			require.NotEmpty(t, rows)
			break
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		csv, err := NewCSV(&rowSource{n: 50_000, row: typicalRow}, CSVParams{Name: "f.csv", workers: 4})
		require.NoError(t, err)
		chunks := 0
		for _, err = range csv.Chunks(ctx) {
			cancel()
			chunks++
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 2, chunks) // one of rows, then the error
	})
}

// A resolver that panics must not hang the load, nor be swallowed.
func TestPanic(t *testing.T) {
	t.Parallel()
	csv, err := NewCSV(strings.NewReader("asset_id,display_name,locale\n"+id1+",a,fr\n"), CSVParams{})
	require.NoError(t, err)
	csv.UseLocales(func(string) (string, error) { panic("no locales") })
	require.Panics(t, func() { _, _ = collect(csv) })
}

// The reader holds a few chunks, whatever the length of the file.
func TestMemory(t *testing.T) {
	csv, err := NewCSV(&rowSource{n: 200_000, row: typicalRow}, CSVParams{workers: 2})
	require.NoError(t, err)
	var peak atomic.Uint64
	var m runtime.MemStats
	chunks := 0
	for _, err := range csv.Chunks(context.Background()) {
		require.NoError(t, err)
		if chunks++; chunks%20 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
		}
	}
	require.Less(t, peak.Load(), uint64(16<<20))
}
