package records_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// held are the assets of a small site: two folders, one in the other, and what has left the site since.
func (b *testBundle) held(t testing.TB) {
	t.Helper()
	dbtest.Exec(t, b, `
		INSERT INTO asset_folder (site_id, folder_id, display_name, parent_id, path, read_at)
		VALUES ($1, 'team', 'Team', '', 'Team', now()), ($1, 'year', '2026', 'team', 'Team/2026', now()), ($1, 'other', 'Team 2', '', 'Team 2', now())`, b.site.ID)
	dbtest.Exec(t, b, `INSERT INTO site_reading (site_id, began_at, assets, calls) VALUES ($1, '2026-03-01', 7, 1)`, b.site.ID)
	for _, a := range []struct{ id, name, alt, original, kind, folder, changed, read string }{
		{"a1", "Zebra.jpg", "A zebra", "IMG_1.jpg", "image/jpeg", "", "2026-01-01", "2026-03-01"},
		{"a2", "apple.PNG", "", "IMG_2.png", "image/png", "team", "2026-02-01", "2026-03-01"},
		{"a3", "Äpfel.svg", "", "IMG_3.svg", "image/svg+xml", "year", "2026-02-02", "2026-03-02"},
		{"a4", "prices.pdf", "", "prices.pdf", "application/pdf", "year", "2026-02-03", "2026-03-01"},
		{"a5", "50%_off.jpg", "Sale", "IMG_5.jpg", "image/jpeg", "other", "2026-02-03", "2026-03-01"},
		{"a6", "left.jpg", "", "IMG_6.jpg", "image/jpeg", "year", "2026-01-15", "2026-02-28"},
	} {
		dbtest.Exec(t, b, `
			INSERT INTO asset_state (site_id, asset_id, display_name, alt_text, original_file_name, content_type, folder, last_updated, read_at, hosted_url)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8::timestamptz, $9::timestamptz, 'https://cdn.prod.website-files.com/' || $2)`,
			b.site.ID, a.id, a.name, a.alt, a.original, a.kind, a.folder, a.changed, a.read)
	}
	dbtest.Exec(t, b, `INSERT INTO asset_state (site_id, asset_id, gone, read_at) VALUES ($1, 'a7', true, '2026-03-02')`, b.site.ID)
	dbtest.Exec(t, b, `INSERT INTO asset_state (site_id, locale_id, asset_id, display_name, read_at) VALUES ($1, 'fr', 'a1', 'Zèbre', '2026-03-02')`, b.site.ID)
}

// idsOf reads all pages of a list, two assets a page.
func (b *testBundle) pagesOf(t testing.TB, f records.AssetFilter, sort records.AssetSort) string {
	t.Helper()
	f.SiteID = b.site.ID
	var ids []string
	for q := (records.AssetQuery{AssetFilter: f, Sort: sort, Limit: 2}); ; {
		page, err := records.Assets(t.Context(), b.DB, q)
		require.NoError(t, err)
		for _, a := range page.Assets {
			ids = append(ids, a.AssetID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	n, err := records.CountAssets(t.Context(), b.DB, f)
	require.NoError(t, err)
	require.True(t, n.Exact)
	require.Equal(t, n.Rows, int64(len(ids)))
	return strings.Join(ids, " ")
}

func TestAssets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.held(t)
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		require.NoError(t, err)
		return at
	}
	for name, tt := range map[string]struct {
		filter records.AssetFilter
		want   string
	}{
		"all":               {records.AssetFilter{}, "a5 a2 a4 a1 a3"},
		"name":              {records.AssetFilter{Name: "PF"}, "a3"},
		"original name":     {records.AssetFilter{Name: "img_"}, "a5 a2 a1 a3"},
		"id":                {records.AssetFilter{Name: "a4"}, "a4"},
		"no wildcard":       {records.AssetFilter{Name: "0%_"}, "a5"},
		"umlaut":            {records.AssetFilter{Name: "Äpf"}, "a3"},
		"folder":            {records.AssetFilter{Folder: ptr("year")}, "a4 a3"},
		"folders below":     {records.AssetFilter{Folder: ptr("team")}, "a2 a4 a3"},
		"no folder":         {records.AssetFilter{Folder: ptr("")}, "a1"},
		"unknown folder":    {records.AssetFilter{Folder: ptr("gone")}, ""},
		"type":              {records.AssetFilter{Type: "image/jpeg"}, "a5 a1"},
		"images":            {records.AssetFilter{Type: "image/*"}, "a5 a2 a1 a3"},
		"missing alt":       {records.AssetFilter{MissingAlt: true}, "a2 a4 a3"},
		"changed since":     {records.AssetFilter{Since: day("2026-02-02")}, "a5 a4 a3"},
		"several":           {records.AssetFilter{Folder: ptr("team"), Type: "image/*", MissingAlt: true, Name: "apple"}, "a2"},
		"what left is gone": {records.AssetFilter{Name: "left"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := b.pagesOf(t, tt.filter, records.AssetsByName)
			require.ElementsMatch(t, strings.Fields(tt.want), strings.Fields(got))
			require.ElementsMatch(t, strings.Fields(tt.want), strings.Fields(b.pagesOf(t, tt.filter, records.AssetsByChanged)))
		})
	}
	require.Equal(t, "a5 a4 a3 a2 a1", b.pagesOf(t, records.AssetFilter{}, records.AssetsByChanged))
}

// A page shows the folder's path, and the name that relabel has sent since the site was read.
func TestAssetShows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.held(t)
	one := func(id string) records.Asset {
		page, err := records.Assets(t.Context(), b.DB, records.AssetQuery{AssetFilter: records.AssetFilter{SiteID: b.site.ID, Name: id}, Sort: records.AssetsByName, Limit: 20})
		require.NoError(t, err)
		require.Len(t, page.Assets, 1)
		return page.Assets[0]
	}
	require.Equal(t, "Team/2026", one("a4").Folder)
	require.Nil(t, one("a4").SentAt)
	loaded := b.load(t, "a4")
	dbtest.Settle(t, b.DB, loaded.IDs[0], "succeeded")
	require.NotNil(t, one("a4").SentAt)
	require.Equal(t, dbtest.Value[string](t, b, `SELECT coalesce(applied_name, display_name) FROM rename`), one("a4").DisplayName)
	dbtest.Exec(t, b, `UPDATE asset_state SET read_at = now() WHERE asset_id = 'a4'`)
	require.Equal(t, "prices.pdf", one("a4").DisplayName, "read after it was sent")

	types, err := records.AssetTypes(t.Context(), b.DB, b.site.ID)
	require.NoError(t, err)
	require.Equal(t, []records.AssetType{{"image/jpeg", 2}, {"application/pdf", 1}, {"image/png", 1}, {"image/svg+xml", 1}}, types)
	folders, err := b.Folders(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Len(t, folders, 3)
	some, err := records.AssetsByID(t.Context(), b.DB, b.site.ID, []string{"a3", "a7", "x"})
	require.NoError(t, err)
	require.Len(t, some, 1, "of a7 it is known that it is gone, x was never read")
	require.Equal(t, one("a3"), some[0])
	var each []string
	for a, err := range records.EachAsset(t.Context(), b.DB, records.AssetFilter{SiteID: b.site.ID}) {
		require.NoError(t, err)
		each = append(each, a.AssetID)
	}
	require.Len(t, each, 5)
}

// Without a reading of the whole site there is what plans have read; a strange cursor is refused.
func TestAssetsWithoutReading(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.held(t)
	dbtest.Exec(t, b, `DELETE FROM site_reading`)
	require.Equal(t, "a5 a4 a3 a2 a6 a1", b.pagesOf(t, records.AssetFilter{}, records.AssetsByChanged))
	last, err := records.LastReading(t.Context(), b.DB, b.site.ID)
	require.NoError(t, err)
	require.Nil(t, last.BeganAt)
	for _, cursor := range []string{"x", "e30", "eyJTb3J0IjoiY2hhbmdlZCJ9", "eyJTb3J0IjoibmFtZSIsIk5hbWUiOiJcdTAwMDAifQ"} {
		_, err := records.Assets(t.Context(), b.DB, records.AssetQuery{AssetFilter: records.AssetFilter{SiteID: b.site.ID}, Sort: records.AssetsByName, Cursor: cursor, Limit: 2})
		require.ErrorAs(t, err, new(records.FilterError), cursor)
	}
}

// fillAssets makes a site of 50,000 assets beside another as large; every tenth has no alt text, and some have left.
func (b *testBundle) fillAssets(t testing.TB) {
	t.Helper()
	dbtest.Exec(t, b, `ALTER TABLE asset_state SET (autovacuum_enabled = off)`)
	dbtest.Exec(t, b, `INSERT INTO site_reading (site_id, began_at, assets, calls) VALUES ($1, '2026-03-01', 50000, 500)`, b.site.ID)
	other := b.elsewhere(t)
	dbtest.Exec(t, b, `
		INSERT INTO asset_state (site_id, asset_id, display_name, alt_text, original_file_name, content_type, size, hosted_url, folder, last_updated, read_at)
		SELECT s, lpad(to_hex(i), 24, '0'), 'Product photo ' || (i * 7919) % 50000 || '.jpg', CASE WHEN i % 10 = 0 THEN '' ELSE 'A product' END, 'IMG_' || i || '.jpg',
			CASE WHEN i % 7 = 0 THEN 'image/png' ELSE 'image/jpeg' END, 100000 + i, 'https://cdn.prod.website-files.com/65a1f2c3d4e5f60718293a4b/' || i || '.jpg',
			'', timestamptz '2026-01-01' + (i * 7919) % 50000 * interval '1 min', timestamptz '2026-03-01' + (i % 100 <> 0)::int * interval '1 min' - interval '1 s'
		FROM generate_series(1, 50000) i, unnest(ARRAY[$1::int, $2::int]) s`, b.site.ID, other.site.ID)
}

// A page of 50,000 assets reads what it shows, and one without a hit reads each asset once and sorts none.
func TestAssetPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fillAssets(t)
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("%024x", i+1))
	}
	batch := b.load(t, ids...).Batch
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for _, statistics := range []string{"none", "all"} {
		if statistics == "all" {
			dbtest.Exec(t, b, `ANALYZE asset_state`)
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			_, err := conn.Exec(t.Context(), `SET plan_cache_mode = `+mode)
			require.NoError(t, err)
			b.requireAssetPlans(t, conn.Conn(), statistics+", "+mode)
			b.requireLookUps(t, conn.Conn(), batch, statistics+", "+mode)
		}
	}
}

func (b *testBundle) requireAssetPlans(t *testing.T, conn *pgx.Conn, how string) {
	t.Helper()
	const few = 400 // pages for 21 assets and a bit; the table has 3,400
	for name, tt := range map[string]struct {
		filter records.AssetFilter
		whole  bool // no asset is a hit
	}{
		"all":         {records.AssetFilter{}, false},
		"missing alt": {records.AssetFilter{MissingAlt: true}, false},
		"type":        {records.AssetFilter{Type: "image/png"}, false},
		"since":       {records.AssetFilter{Since: time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)}, false},
		"nowhere":     {records.AssetFilter{Name: "zebra"}, true},
	} {
		for _, sort := range []records.AssetSort{records.AssetsByName, records.AssetsByChanged} {
			for _, place := range []string{"front", "middle"} {
				label := fmt.Sprintf("%s by %s from the %s (%s)", name, sort, place, how)
				tt.filter.SiteID = b.site.ID
				sql, args := records.AssetStatement(t.Context(), b.DB, tt.filter, sort, place == "middle")
				plan := dbtest.Explain(t, conn, sql, args)
				var read float64
				plan.Walk(func(n dbtest.PlanNode) {
					require.NotContains(t, n.Type, "Sort", label)
					if n.Relation == "asset_state" {
						read += (n.Rows + n.Removed) * n.Loops
					}
				})
				require.LessOrEqual(t, read, 50_000., label)
				if !tt.whole && (name != "since" || sort == records.AssetsByChanged) { // by name, those that changed are anywhere
					require.Less(t, plan.Hit+plan.Read, few, label)
				}
			}
		}
	}
	plan := dbtest.Explain(t, conn, records.ByIDSQL, pgx.NamedArgs{"site": b.site.ID, "ids": []string{fmt.Sprintf("%024x", 5), fmt.Sprintf("%024x", 500)}})
	require.Less(t, plan.Hit+plan.Read, 30, "by id (%s)", how)
}

// Look-ups of single assets use the primary key, whatever indexes the page has.
func (b *testBundle) requireLookUps(t *testing.T, conn *pgx.Conn, batch int64, how string) {
	t.Helper()
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	plan := dbtest.Explain(t, conn, `
		SELECT r.id FROM rename r WHERE r.batch_id = @batch AND r.locale_id = @locale AND NOT EXISTS (SELECT FROM asset_state s
			WHERE s.site_id = r.site_id AND s.locale_id = r.locale_id AND s.asset_id = r.asset_id AND s.read_at >= @since)`,
		pgx.NamedArgs{"batch": batch, "locale": "", "since": since})
	require.Less(t, plan.Hit+plan.Read, 200, "of a batch's targets (%s)", how)
	if b.serverMajor(t) >= 17 {
		return // since then it reads the whole site for what is no table; no statement of ours is like that
	}
	plan = dbtest.Explain(t, conn, `
		SELECT count(*) FROM generate_series(1, 20) i WHERE NOT EXISTS (SELECT FROM asset_state s
			WHERE s.site_id = @site AND s.locale_id = @locale AND s.asset_id = lpad(to_hex(i), 24, '0') AND s.read_at >= @since)`,
		pgx.NamedArgs{"site": b.site.ID, "locale": "", "since": since})
	require.Less(t, plan.Hit+plan.Read, 200, "of numbers (%s)", how)
}

// BenchmarkAssets times pages of 50,000 assets.
func BenchmarkAssets(b *testing.B) {
	bundle := setup(b)
	bundle.fillAssets(b)
	dbtest.Exec(b, bundle, `VACUUM ANALYZE asset_state`)
	for name, f := range map[string]records.AssetFilter{"all": {}, "missing alt": {MissingAlt: true}, "nowhere": {Name: "zebra"}} {
		f.SiteID = bundle.site.ID
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := records.Assets(b.Context(), bundle.DB, records.AssetQuery{AssetFilter: f, Sort: records.AssetsByName, Limit: 20})
				require.NoError(b, err)
			}
		})
		b.Run("count/"+name, func(b *testing.B) {
			for b.Loop() {
				_, err := records.CountAssets(b.Context(), bundle.DB, f)
				require.NoError(b, err)
			}
		})
	}
}
