package db_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// claimGroup is what the workers of one process and site hand in together.
const claimGroup = 16

// BenchmarkClaimFinish claims b.N renames and ends them, as one process does with its default concurrency.
func BenchmarkClaimFinish(b *testing.B) {
	bundle := setup(b)
	l := bundle.loadWith(b, bundle.params(numbered(b.N, b.N)))
	b.ResetTimer()
	start := time.Now()
	for from := 0; from < b.N; from += claimGroup {
		ids := l.ids[from:min(from+claimGroup, b.N)]
		fs := make([]db.Finish, 0, claimGroup)
		for _, c := range bundle.claimAs(b, process, ids...) {
			fs = append(fs, answer(c, "succeeded"))
		}
		bundle.finish(b, fs...)
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "rows/s")
	require.Equal(b, int64(b.N), bundle.status(b, l.batch).Succeeded)
}

// BenchmarkLoad loads b.N rows into an empty database, then the same rows once more, so that each
// supersedes an older one; and copies them as they are into a table without indexes. The ratios are what checking,
// superseding and indexing cost; compare nothing else between two runs.
func BenchmarkLoad(b *testing.B) {
	bundle := setup(b)
	load := func() float64 {
		start := time.Now()
		bundle.loadWith(b, bundle.params(numbered(b.N, b.N)))
		return float64(b.N) / time.Since(start).Seconds()
	}
	bare := benchCopy(b, bundle)
	first, again := load(), load()
	b.ReportMetric(bare, "copy-rows/s")
	b.ReportMetric(first, "load-rows/s")
	b.ReportMetric(again, "again-rows/s")
	b.ReportMetric(first/bare, "load-ratio")
	b.ReportMetric(again/bare, "again-ratio")
}

// BenchmarkCompare compares a plan of b.N rows with what was read of the site. A tenth of the rows have their
// values already.
func BenchmarkCompare(b *testing.B) {
	bundle := setup(b)
	p := bundle.params(numbered(b.N, b.N))
	p.Planned = true
	batch := bundle.loadWith(b, p).batch
	bundle.readAll(b, batch)
	b.ResetTimer()
	start := time.Now()
	require.NoError(b, bundle.Compare(b.Context(), db.CompareParams{BatchID: batch, ReadBy: "list"}))
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "rows/s")
	require.EqualValues(b, b.N/10, bundle.status(b, batch).Unchanged)
}

// readAll makes a reading of the site for the rows of a batch: every tenth asset has the name that its row wants.
func (b *testBundle) readAll(t tb, batch int64) {
	t.Helper()
	b.exec(t, `
		INSERT INTO asset_state (site_id, locale_id, asset_id, display_name, read_at)
		SELECT site_id, locale_id, asset_id, CASE WHEN row_number() OVER () % 10 = 0 THEN '' ELSE 'old ' END || display_name, now()
		FROM rename WHERE batch_id = $1`, batch)
}

func benchCopy(b *testing.B, bundle *testBundle) float64 {
	bundle.exec(b, `CREATE TABLE bare (LIKE rename INCLUDING GENERATED INCLUDING IDENTITY INCLUDING DEFAULTS)`)
	rows := make([][]any, 0, b.N)
	for row := range numbered(b.N, b.N) { //nolint:errcheck // these rows have no error
		rows = append(rows, []any{int64(1), bundle.site.ID, row.Line, row.AssetID, row.LocaleID, *row.DisplayName})
	}
	start := time.Now()
	n, err := bundle.Pool().CopyFrom(b.Context(), pgx.Identifier{"bare"},
		[]string{"batch_id", "site_id", "line", "asset_id", "locale_id", "display_name"}, pgx.CopyFromRows(rows))
	require.NoError(b, err)
	require.Equal(b, int64(b.N), n)
	return float64(b.N) / time.Since(start).Seconds()
}
