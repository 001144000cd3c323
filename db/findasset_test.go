package db_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

// fillStates gives a site so many assets, named "name 1" and so on.
func fillStates(t testing.TB, b *testBundle, assets int) {
	t.Helper()
	dbtest.Exec(t, b, `
		INSERT INTO asset_state (site_id, locale_id, asset_id, display_name, original_file_name, hosted_url, folder, read_at)
		SELECT $1, locale, 'a' || i, 'name ' || i, 'file ' || i, 'https://example.com/' || repeat('x', 300) || i || '?v=' || i, 'f' || i % 3, now()
		FROM generate_series(1, $2::int) i, unnest('{"", fr}'::text[]) locale`, b.site.ID, assets)
}

func TestFindAssets(t *testing.T) {
	t.Parallel()
	b := setup(t).elsewhere(t)
	fillStates(t, b, 20)
	b.exec(t, `UPDATE asset_state SET display_name = repeat('é', 300) || asset_id WHERE asset_id IN ('a1', 'a2') AND site_id = $1`, b.site.ID)
	b.exec(t, `UPDATE asset_state SET display_name = 'same' WHERE asset_id IN ('a3', 'a4', 'a5', 'a6') AND site_id = $1`, b.site.ID)
	b.exec(t, `UPDATE asset_state SET gone = true WHERE asset_id = 'a5' AND site_id = $1`, b.site.ID)
	b.exec(t, `UPDATE asset_state SET read_at = now() - interval '1 h' WHERE asset_id = 'a6' AND site_id = $1`, b.site.ID)
	b.exec(t, `UPDATE asset_state SET folder = '' WHERE asset_id = 'a4' AND site_id = $1`, b.site.ID)
	long := ""
	for range 300 {
		long += "é"
	}
	find := func(by db.NamedBy, limit int, names ...db.AssetName) (found []string) {
		t.Helper()
		list, err := b.FindAssets(t.Context(), db.FindAssetsParams{SiteID: b.site.ID, By: by, Since: time.Now().Add(-time.Minute), Names: names, Limit: limit})
		require.NoError(t, err)
		for _, f := range list {
			found = append(found, fmt.Sprintf("%d %s in %q", f.Key, f.AssetID, f.Folder))
		}
		return found
	}
	name := func(key int, name string, folders ...string) db.AssetName {
		return db.AssetName{Key: key, Name: name, Folders: folders}
	}
	require.Equal(t, []string{`1 a7 in "f1"`, `7 a2 in "f2"`}, find(db.ByCurrentName, 9, name(1, "name 7"), name(7, long+"a2"), name(2, "name"), name(3, "")))
	require.Equal(t, []string{`1 a3 in "f0"`, `1 a4 in ""`}, find(db.ByCurrentName, 9, name(1, "same")), "what is gone or was not seen is left out")
	require.Len(t, find(db.ByCurrentName, 1, name(1, "same")), 1)
	require.Equal(t, []string{`1 a4 in ""`, `2 a3 in "f0"`}, find(db.ByCurrentName, 9, name(1, "same", db.RootFolder), name(2, "same", "f1", "f0"), name(3, "same", "f2")))
	require.Equal(t, []string{`1 a8 in "f2"`}, find(db.ByOriginalFileName, 9, name(1, "file 8")))
	address := dbtest.Value[string](t, b, `SELECT split_part(hosted_url, '?', 1) FROM asset_state WHERE site_id = $1 AND asset_id = 'a9' AND locale_id = ''`, b.site.ID)
	require.Equal(t, []string{`1 a9 in "f0"`}, find(db.ByHostedURL, 9, name(1, address)))
}

// Each name is a look-up in its index, in a table of many assets: also when PostgreSQL
// has no statistics of the table yet.
func TestFindAssetsCost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fillStates(t, b, 30_000)
	b.exec(t, `UPDATE asset_state SET hosted_url = '', original_file_name = '' WHERE asset_id <> 'a1'`) // as little to choose by as possible
	names := make([]db.AssetName, 1000)
	for i := range names {
		names[i] = db.AssetName{Key: i, Name: fmt.Sprintf("name %d", i*30+1)}
	}
	for by, prefix := range map[db.NamedBy]string{db.ByCurrentName: "name ", db.ByOriginalFileName: "file ", db.ByHostedURL: "https://example.com/"} {
		for i := range names {
			names[i].Name = fmt.Sprintf("%s%d", prefix, i*30+1)
		}
		sql, args := db.FindAssetsSQL(db.FindAssetsParams{SiteID: b.site.ID, By: by, Names: names, Limit: 6})
		for _, known := range []bool{false, true} {
			if known {
				b.exec(t, `ANALYZE asset_state`)
			}
			conn, err := b.Pool().Acquire(t.Context())
			require.NoError(t, err)
			plan := dbtest.Explain(t, conn.Conn(), sql, args)
			conn.Release()
			require.Less(t, plan.Hit+plan.Read, 10_000, "%s: blocks", by)
		}
	}
}
