package records_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// manyJobs are the rows of the table that pages are measured on.
const manyJobs = 2_000_000

// fillJobs makes a batch of rows as it is in the midst of a run: half have succeeded, some have failed for two causes,
// some are tried again, the rest is open; each call took its time. Every asset is there once, and some jobs wait.
func (b *testBundle) fillJobs(t testing.TB, rows int) (batch int64) {
	t.Helper()
	batch = dbtest.Value[int64](t, b, `
		INSERT INTO batch (site_id, name, source, status, acceptance, total, succeeded, failed, started_at)
		VALUES ($1, 'large.csv', 'large.csv', 'active', 1, $2::bigint, $2::bigint / 2 - $2::bigint / 200, $2::bigint / 200, now() - interval '3 d')
		RETURNING id`, b.site.ID, rows)
	dbtest.Exec(t, b, `
		INSERT INTO rename (batch_id, site_id, line, asset_id, locale_id, display_name, applied_name, status, finished_at, fence, calls, http_status, error)
		SELECT $1, $2, i + 1, lpad(to_hex(i), 24, '0'), CASE WHEN i % 4 = 0 THEN 'fr' ELSE '' END,
			'Product photo number ' || i || ', front view, Autumn.jpg', CASE WHEN k = 'succeeded' THEN 'Product photo number ' || i || ', front view, Autumn.jpg' END,
			k, CASE WHEN k <> 'pending' THEN now() - interval '3 d' + i * interval '100 ms' END,
			CASE k WHEN 'pending' THEN 0 ELSE 1 END, CASE k WHEN 'pending' THEN 0 ELSE 1 END,
			CASE k WHEN 'succeeded' THEN 200 WHEN 'failed' THEN 404 END,
			CASE k WHEN 'failed' THEN CASE i % 300 WHEN 0 THEN 'resource_not_found: The asset cannot be found' ELSE 'HTTP 502 after ten tries' END END
		FROM (SELECT i, CASE WHEN i > $3::int / 2 THEN 'pending' WHEN i % 100 = 0 THEN 'failed' ELSE 'succeeded' END AS k FROM generate_series(1, $3::int) i) g
		ORDER BY i`,
		batch, b.site.ID, rows)
	dbtest.Exec(t, b, `
		UPDATE batch b SET first_id = r.first, last_id = r.last
		FROM (SELECT min(id) AS first, max(id) AS last FROM rename WHERE batch_id = $1) r WHERE b.id = $1`, batch)
	dbtest.Exec(t, b, `
		INSERT INTO river_job (args, kind, max_attempts, queue, state)
		SELECT jsonb_build_object('rename_id', id), 'rename', 25, $2, 'available' FROM rename
		WHERE batch_id = $1 AND finished_at IS NULL ORDER BY line LIMIT least(10000, $3::int / 10)`, batch, b.site.Queue(), rows)
	require.NoError(t, b.KeepLocales(t.Context(), b.site.ID, []db.SiteLocale{{ID: "fr", Tag: "fr-FR"}}))
	return batch
}

// jobQueries are pages as people ask for them, and what each is.
func jobQueries(batch int64, site string, rows int) map[string]records.RowQuery {
	asset := fmt.Sprintf("%024x", rows/3)
	return map[string]records.RowQuery{
		"all":               {},
		"oldest":            {Sort: records.SortOldest},
		"ended last":        {Sort: records.SortEnded},
		"batch":             {RowFilter: records.RowFilter{Batch: batch}},
		"site":              {RowFilter: records.RowFilter{Site: site}},
		"pending":           {RowFilter: records.RowFilter{Statuses: []db.RowStatus{"pending"}}},
		"pending oldest":    {RowFilter: records.RowFilter{Statuses: []db.RowStatus{"pending"}}, Sort: records.SortOldest},
		"sending":           {RowFilter: records.RowFilter{Statuses: []db.RowStatus{"sending"}}},
		"failed":            {RowFilter: records.RowFilter{Statuses: []db.RowStatus{"failed"}}},
		"failed of batch":   {RowFilter: records.RowFilter{Batch: batch, Statuses: []db.RowStatus{"failed"}}},
		"succeeded":         {RowFilter: records.RowFilter{Batch: batch, Statuses: []db.RowStatus{"succeeded"}}},
		"asset":             {RowFilter: records.RowFilter{AssetID: asset}},
		"job available":     {RowFilter: records.RowFilter{State: "available"}},
		"job running":       {RowFilter: records.RowFilter{State: "running", Site: site}},
		"name there":        {RowFilter: records.RowFilter{Name: "NUMBER 1234"}},
		"name nowhere":      {RowFilter: records.RowFilter{Name: "zebra"}},
		"name in batch":     {RowFilter: records.RowFilter{Batch: batch, Name: "zebra"}, Sort: records.SortOldest},
		"error there":       {RowFilter: records.RowFilter{Error: "not_found"}},
		"error nowhere":     {RowFilter: records.RowFilter{Error: "zebra"}},
		"http 404":          {RowFilter: records.RowFilter{HTTPStatus: 404}},
		"http 418":          {RowFilter: records.RowFilter{HTTPStatus: 418}},
		"attempts":          {RowFilter: records.RowFilter{MinAttempts: 5}},
		"never sent":        {RowFilter: records.RowFilter{MaxAttempts: ptr(0)}},
		"locale":            {RowFilter: records.RowFilter{Locale: ptr("fr")}},
		"locale's tag":      {RowFilter: records.RowFilter{LocaleTag: "fr-FR"}},
		"locale nowhere":    {RowFilter: records.RowFilter{Locale: ptr("de")}},
		"last hour":         {RowFilter: records.RowFilter{Since: time.Now().Add(-time.Hour)}, Sort: records.SortEnded},
		"last hour, newest": {RowFilter: records.RowFilter{Since: time.Now().Add(-time.Hour)}},
		"since and name":    {RowFilter: records.RowFilter{Since: time.Now().Add(-70 * time.Hour), Name: "zebra"}, Sort: records.SortEnded},
	}
}

// BenchmarkJobs times each kind of page on a table of 2,000,000 rows, the first page and one from the middle on.
func BenchmarkJobs(b *testing.B) {
	bundle := setup(b)
	batch := bundle.fillJobs(b, manyJobs)
	dbtest.Exec(b, bundle, `VACUUM ANALYZE rename`)
	queries := jobQueries(batch, bundle.site.Name, manyJobs)
	for _, name := range sortedNames(queries) {
		b.Run("list/"+name, func(b *testing.B) {
			var looked int64
			measure(b, func(ctx context.Context) error {
				page, err := records.Rows(ctx, bundle.DB, queries[name])
				looked = page.Looked
				return err
			})
			b.ReportMetric(float64(looked), "looked")
		})
	}
	for _, name := range sortedNames(queries) {
		b.Run("errors/"+name, func(b *testing.B) {
			measure(b, func(ctx context.Context) error {
				_, err := records.RowErrors(ctx, bundle.DB, queries[name].RowFilter, 20)
				return err
			})
		})
	}
	asset := fmt.Sprintf("%024x", manyJobs/3)
	b.Run("story", func(b *testing.B) {
		measure(b, func(ctx context.Context) error {
			_, err := records.Story(ctx, bundle.DB, records.StoryParams{Site: bundle.site.Name, AssetID: asset})
			return err
		})
	})
	b.Run("show the last", func(b *testing.B) {
		last := dbtest.Value[int64](b, bundle, `SELECT max(id) FROM rename`)
		measure(b, func(ctx context.Context) error {
			_, err := records.Story(ctx, bundle.DB, records.StoryParams{RenameID: last})
			return err
		})
	})
	b.Run("exact count", func(b *testing.B) {
		measure(b, func(ctx context.Context) error {
			_, err := records.CountRows(ctx, bundle.DB, records.RowFilter{Name: "zebra"}, 0)
			return err
		})
	})
}

// measure reports the worst and the mean of b.N calls in milliseconds.
func measure(b *testing.B, call func(context.Context) error) {
	b.Helper()
	require.NoError(b, call(b.Context())) // the pages are in memory from here on
	var all []time.Duration
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		require.NoError(b, call(b.Context()))
		all = append(all, time.Since(start))
	}
	b.ReportMetric(float64(slices.Max(all).Microseconds())/1000, "worst-ms")
}

func sortedNames[T any](m map[string]T) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
