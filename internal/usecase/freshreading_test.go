package usecase_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/siteread"
	"relabel/internal/standin"
	"relabel/internal/usecase"
)

// A young reading is used again, and an old one is not.
func TestFreshReading(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 150})
	first := b.fresh(t, time.Hour)
	require.EqualValues(t, 3, first.Calls, "two pages, and the folders")
	require.Len(t, b.states(t, first.Since), 150)

	again := b.fresh(t, time.Hour)
	require.Equal(t, 3, b.reads())
	require.Zero(t, again.Calls)
	require.Equal(t, "list", again.By)
	require.Len(t, b.states(t, again.Since), 150)

	both := b.fresh(t, time.Hour, "", standin.FrenchLocale)
	require.EqualValues(t, 3, both.Calls, "only the locale that is missing")
	require.Equal(t, again.Since, both.Since, "it is as old as its oldest part")

	b.api.RemoveAsset(standin.AssetID(0))
	b.api.AddAsset("650000000000000000009999", "new.jpg")
	newer := b.fresh(t, 0)
	require.EqualValues(t, 3, newer.Calls)
	states := b.states(t, newer.Since)
	require.NotContains(t, states, standin.AssetID(0), "what a newer reading has not seen is gone")
	require.Contains(t, states, "650000000000000000009999")
}

// A plan's reading of all pages serves too; the folders are then read alone.
func TestFreshReadingOfAPlan(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 150})
	folder := standin.AssetID(999)
	b.api.AddFolder(folder, "Team", "")
	b.api.MoveAsset(standin.AssetID(1), folder)
	name := "x.jpg"
	plan := dbtest.Params(b.site.ID, func(yield func(*db.SourceRow, error) bool) {
		for i := range 150 {
			if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: standin.AssetID(i), DisplayName: &name}, nil) {
				return
			}
		}
	})
	plan.Planned = true
	id := dbtest.Load(t, b.DB, plan).Batch
	require.NoError(t, b.Compare(t.Context(), id, usecase.CompareParams{}))
	require.Equal(t, 2, b.reads())
	require.EqualValues(t, 1, b.fresh(t, time.Hour).Calls, "the folders")
	require.Zero(t, b.fresh(t, time.Hour).Calls)
	folders, err := b.DB.Folders(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Equal(t, []db.Folder{{ID: folder, DisplayName: "Team", Path: "Team"}}, folders)
}

// What relabel itself has sent since the reading is in its states, unless Webflow's
// times say that the reading is newer.
func TestFreshReadingAfterRenames(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 4})
	first := b.fresh(t, time.Hour)
	earlier, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	send := func(n int, name, alt *string, at *time.Time) {
		t.Helper()
		row := &db.SourceRow{Line: 2, AssetID: standin.AssetID(n), DisplayName: name, AltText: alt}
		loaded := dbtest.Load(t, b.DB, dbtest.Params(b.site.ID, func(yield func(*db.SourceRow, error) bool) { yield(row, nil) }))
		dbtest.Settle(t, b.DB, loaded.IDs[0], db.RowSucceeded)
		dbtest.Exec(t, b.DB, `UPDATE rename SET last_updated = $2 WHERE id = $1`, loaded.IDs[0], at)
	}
	send(3, ptr("superseded.jpg"), nil, &later)
	dbtest.Exec(t, b.DB, `UPDATE rename SET status = 'superseded'`) // by a load during its call
	send(0, ptr("one.jpg"), nil, &later)
	send(0, ptr("two.jpg"), nil, &later)
	send(0, nil, ptr("a dog"), &later)
	send(1, ptr("overtaken.jpg"), nil, &earlier)
	send(2, ptr("untimed.jpg"), nil, nil)
	require.Equal(t, first.Since, b.fresh(t, time.Hour).Since)
	require.Equal(t, map[string]string{
		standin.AssetID(0): "two.jpg", standin.AssetID(1): "asset-000002.jpg",
		standin.AssetID(2): "untimed.jpg", standin.AssetID(3): "superseded.jpg",
	}, b.states(t, first.Since))
	require.Equal(t, "a dog", dbtest.Value[string](t, b.DB, `SELECT alt_text FROM asset_state WHERE asset_id = $1`, standin.AssetID(0)))
}

func TestFreshReadingFails(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 4})
	b.api.SetToken(nameToken, standin.TokenForbidden)
	_, err := b.FreshReading(t.Context(), b.site, []string{""}, time.Hour, siteread.Params{})
	require.ErrorIs(t, err, siteread.ErrMayNotRead)
}
