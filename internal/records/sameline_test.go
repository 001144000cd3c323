package records_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// sameLines makes rows of which each line renames several assets.
func sameLines(lines, each int) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		name := "name"
		for i := range lines * each {
			if !yield(&db.SourceRow{Line: int64(i/each + 2), AssetID: fmt.Sprint("a", i), DisplayName: &name}, nil) {
				return
			}
		}
	}
}

// Rows of one line stay together on a page, so that the next page misses none.
func TestRowsOfOneLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := dbtest.Load(t, b.DB, b.params(sameLines(40, 3)))
	for _, sort := range []records.RowSort{records.SortOldest, records.SortNewest} {
		seen := map[int64]bool{}
		for cursor := ""; ; {
			page, err := records.Rows(t.Context(), b.DB, records.RowQuery{
				RowFilter: records.RowFilter{Batch: l.Batch, Statuses: []db.RowStatus{db.RowPending}}, Sort: sort, Limit: 10, Cursor: cursor,
			})
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Rows), 12)
			for _, r := range page.Rows {
				require.False(t, seen[r.ID])
				seen[r.ID] = true
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		require.Len(t, seen, 120, sort)
	}

	after, changes := int64(0), 0
	for {
		page, err := records.Changes(t.Context(), b.DB, l.Batch, after, 10)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		changes, after = changes+len(page), page[len(page)-1].Line
	}
	require.Equal(t, 120, changes)
}

// A chunk of an action ends behind a line, not in it.
func TestCancelRowsOfOneLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := dbtest.Load(t, b.DB, b.params(sameLines(700, 3)))
	got, err := records.CancelRows(t.Context(), b.DB, records.RowFilter{Batch: l.Batch}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2100, got.Cancelled)
}
