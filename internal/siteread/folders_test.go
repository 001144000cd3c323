package siteread

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// folderID is the id of the n-th folder of these tests.
func folderID(n int) string { return standin.AssetID(2_000_000 + n) }

// folderOf is the folder of an asset in asset_state.
func (b *testBundle) folderOf(t *testing.T, asset string) string {
	t.Helper()
	for s, err := range b.States(t.Context(), b.site.ID, "", time.Time{}) {
		require.NoError(t, err)
		if s.AssetID == asset {
			return s.Folder
		}
	}
	return "not read"
}

func TestReadFolders(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 1}})
	b.api.AddFolder(folderID(1), "Team", "")
	b.api.AddFolder(folderID(2), "2026", folderID(1))
	b.api.AddFolder(folderID(3), "a/b", folderID(2)) // a name may hold a slash
	b.api.AddFolder(folderID(4), "loop", folderID(5))
	b.api.AddFolder(folderID(5), "pool", folderID(4))
	for n := 10; n < 210; n++ {
		b.api.AddFolder(folderID(n), "many", "")
	}
	require.NoError(t, b.reader.ReadFolders(t.Context()))
	require.EqualValues(t, 3, b.reader.Calls(), "100 folders a call")
	folders, err := b.Folders(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Len(t, folders, 205)
	byID := map[string]db.Folder{}
	for _, f := range folders {
		byID[f.ID] = f
	}
	require.Equal(t, db.Folder{ID: folderID(2), DisplayName: "2026", ParentID: folderID(1), Path: "Team/2026"}, byID[folderID(2)])
	require.Equal(t, "Team/2026/a/b", byID[folderID(3)].Path)
	require.Len(t, byID[folderID(4)].Path, maxDepth*len("loop/")-1, "folders that hold each other")

	// Those that are gone are forgotten, and a list that ignores the offset ends.
	page := `{"assetFolders": [{"id": "` + folderID(1) + `", "displayName": "Te\u0000am", "parentFolder": null},
		{"id": "no id", "displayName": "x"}], "pagination": {"limit": 100, "offset": 0, "total": 500}}`
	b.api.FailNext(standin.Repeat(2, standin.Answer(200, nil, page))...)
	require.NoError(t, b.reader.ReadFolders(t.Context()))
	folders, err = b.Folders(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Equal(t, []db.Folder{{ID: folderID(1), DisplayName: "Team", Path: "Team"}}, folders)
}

func TestReadFoldersFails(t *testing.T) {
	b := setup(t, settings{noSite: true})
	require.Equal(t, &NoSiteError{Site: db.DefaultSite}, b.reader.ReadFolders(t.Context()))
	id := standin.SiteID
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &id}))
	b.open(t)
	b.api.SetToken(token, standin.TokenForbidden)
	require.ErrorIs(t, b.reader.ReadFolders(t.Context()), ErrMayNotRead)
}

// Only lists have folders: an asset that is read by itself keeps its own.
func TestGetKeepsFolder(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 2}})
	asset := standin.AssetID(0)
	b.api.AddFolder(folderID(1), "Team", "")
	b.api.MoveAsset(asset, folderID(1))
	read := func() {
		t.Helper()
		_, err := b.reader.ReadSite(t.Context(), []string{""}, b.params)
		require.NoError(t, err)
	}
	read()
	require.Equal(t, folderID(1), b.folderOf(t, asset))
	reading, _, _ := b.compare(t, b.plan(t, "", asset))
	require.Equal(t, "get", reading.By)
	require.Equal(t, folderID(1), b.folderOf(t, asset))
	b.api.MoveAsset(asset, "")
	read()
	require.Empty(t, b.folderOf(t, asset), "a list knows that it is at the root")
}

// A reading of all pages is recorded, whoever made it; one of a folder is not.
func TestCompleteReadingIsRecorded(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 250}})
	recorded := func() (locales []string, last db.SiteReading) {
		t.Helper()
		list, err := b.Readings(t.Context(), b.site.ID)
		require.NoError(t, err)
		for _, r := range list {
			locales, last = append(locales, r.LocaleID), r
		}
		return locales, last
	}
	b.api.AddFolder(folderID(1), "Team", "")
	for _, a := range ids(0, 120) {
		b.api.MoveAsset(a, folderID(1))
	}
	reading, err := b.reader.ReadBelow(t.Context(), folderID(1), []string{""}, b.params)
	require.NoError(t, err)
	require.EqualValues(t, 2, reading.Calls, "the API chooses the folder's assets")
	locales, _ := recorded()
	require.Empty(t, locales)

	reading, _, _ = b.compare(t, b.plan(t, "", ids(0, 1)...))
	require.Equal(t, "get", reading.By)
	locales, _ = recorded()
	require.Empty(t, locales, "only one asset was read")

	reading, _, _ = b.compare(t, b.plan(t, "", ids(0, 250)...))
	locales, last := recorded()
	require.Equal(t, []string{""}, locales)
	require.Equal(t, db.SiteReading{BeganAt: reading.Since, Assets: 250, Calls: 3}, last)

	reading, err = b.reader.ReadSite(t.Context(), []string{standin.FrenchLocale}, b.params)
	require.NoError(t, err)
	locales, last = recorded()
	require.Equal(t, []string{"", standin.FrenchLocale}, locales)
	require.Equal(t, reading.Since, last.BeganAt)

	// The settings now name another site: nothing of this one is known any more.
	other := "650000000000000000000002"
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &other}))
	locales, _ = recorded()
	require.Empty(t, locales)
}

// A reading while assets come and go all the time is not complete.
func TestShiftingReadingIsNotRecorded(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 3000}})
	gone := 0
	b.params.Checkpoint = func(context.Context, Pass) error {
		b.api.RemoveAsset(standin.AssetID(gone))
		gone++
		return nil
	}
	_, err := b.reader.ReadSite(t.Context(), []string{""}, b.params)
	require.NoError(t, err)
	require.Equal(t, []error{errShifted}, b.notices)
	list, err := b.Readings(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestFolderOfNobody(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 1}})
	_, err := b.reader.ReadBelow(t.Context(), folderID(9), []string{""}, b.params)
	var e *webflow.Error
	require.ErrorAs(t, err, &e)
}
