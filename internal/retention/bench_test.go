package retention_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/retention"
)

// BenchmarkSize measures what docs/operations.md says: the bytes that a row takes that was
// sent by one call, and the longest transaction of pruning. Run it with -benchtime 1x.
func BenchmarkSize(b *testing.B) {
	const rows = 20_000
	d := dbtest.New(b)
	for b.Loop() {
		before := size(b, d)
		sendMany(b, d, rows)
		b.ReportMetric(float64(size(b, d)-before)/rows, "bytes/row")
		sendMany(b, d, rows) // now the first batch may go
		site, err := d.SiteByName(b.Context(), db.DefaultSite)
		require.NoError(b, err)
		now, err := d.Now(b.Context())
		require.NoError(b, err)
		began := time.Now()
		counts, longest, err := retention.PruneTimed(b.Context(), retention.Params{DB: d, SiteID: site.ID, Before: now})
		require.NoError(b, err)
		took := time.Since(began)
		require.Contains(b, counts, retention.Count{Table: "rename", Rows: rows})
		b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest")
		b.ReportMetric(3*rows/took.Seconds(), "pruned/s") // rows and their attempts, and those of the rows that stay
	}
}

// sendMany loads rows with names of usual length, and sends each by one call.
func sendMany(b *testing.B, d *db.DB, rows int) {
	b.Helper()
	site, err := d.SiteByName(b.Context(), db.DefaultSite)
	require.NoError(b, err)
	p := dbtest.Params(site.ID, func(yield func(*db.SourceRow, error) bool) {
		for i := range rows {
			name, alt := fmt.Sprintf("autumn-collection-%06d.jpg", i), "A dog on a beach, seen from the pier"
			if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: fmt.Sprintf("%024x", i), DisplayName: &name, AltText: &alt}, nil) {
				return
			}
		}
	})
	p.Force = true
	for ids := range slices.Chunk(dbtest.Load(b, d, p).IDs, 200) {
		claims, _, err := d.Turn(b.Context(), db.ClaimParams{ProcessID: "p1", RenameIDs: ids, Lease: time.Hour}, db.FinishParams{})
		require.NoError(b, err)
		finishes := make([]db.Finish, len(claims))
		for i, c := range claims {
			require.Equal(b, db.Claimed, c.Verdict)
			finishes[i] = dbtest.Answer(c, db.RowSucceeded)
		}
		_, _, err = d.Turn(b.Context(), db.ClaimParams{}, db.FinishParams{ProcessID: "p1", Finishes: finishes})
		require.NoError(b, err)
	}
}

// size is that of all tables with their indexes.
func size(b *testing.B, d *db.DB) int64 {
	b.Helper()
	dbtest.Exec(b, d, "VACUUM")
	return dbtest.Value[int64](b, d, `
		SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relnamespace = 'relabel'::regnamespace AND relkind = 'r'`)
}
