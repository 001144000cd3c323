package webflow_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// The asset of the specification's example answer of List Assets.
const specAsset = `{"id": "63e5889e7fe4eafa7384cea4", "originalFileName": "Candy-Wrapper.svg",
	"displayName": "63e5889e7fe4eafa7384cea4_Candy-Wrapper.png", "contentType": "image/png", "size": 2212772,
	"siteId": "63938b302ea6b0aa6f3d8745", "folderId": %s, "createdOn": "2023-02-09T23:58:22.294Z",
	"lastUpdated": "2023-03-01T23:42:57.862Z",
	"hostedUrl": "https://s3.amazonaws.com/webflow-prod-assets/63938b302ea6b0aa6f3d8745/63e5889e7fe4eafa7384cea4_Vectors-Wrapper.svg",
	"variants": [{"hostedUrl": "…-p-500.png", "originalFileName": "…", "displayName": "…", "format": "png", "width": 500,
		"height": null, "quality": 100, "error": null}],
	"altText": "A single candy wrapper"}`

// An asset is read as the specification has it; at the root, its folder is null.
func TestListAssetsAsSpecified(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{`"6390c49774a71f99f21a08eb"`: "6390c49774a71f99f21a08eb", "null": ""} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "6390c49774a71f99f21a08eb", r.URL.Query().Get("folderId"))
			_, _ = fmt.Fprintf(w, `{"assets": [`+specAsset+`], "pagination": {"limit": 100, "offset": 0, "total": 1}}`, given)
		})
		client := newClient(t, webflow.Config{BaseURL: server.URL})
		res, err := client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID, FolderID: "6390c49774a71f99f21a08eb"})
		require.NoError(t, err)
		a := res.Assets[0]
		require.EqualValues(t, want, a.FolderID)
		require.Equal(t, "Candy-Wrapper.svg", a.OriginalFileName)
		require.Equal(t, "image/png", a.ContentType)
		require.EqualValues(t, 2212772, a.Size)
		require.Equal(t, time.Date(2023, 2, 9, 23, 58, 22, 294e6, time.UTC), a.CreatedOn.Time)
	}
}

func TestListAssetFoldersAsSpecified(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"assetFolders": [
			{"id": "6390c49774a71f0e3c1a08ee", "displayName": "Team", "parentFolder": null,
				"assets": ["63e5889e7fe4eafa7384cea4"], "siteId": "63938b302ea6b0aa6f3d8745",
				"createdOn": "2022-12-07T16:51:37.571Z", "lastUpdated": "2022-12-07T16:51:37.571Z"},
			{"id": "6390c49774a71f99f21a08eb", "displayName": "2026", "parentFolder": "6390c49774a71f0e3c1a08ee", "assets": [],
				"siteId": "63938b302ea6b0aa6f3d8745", "createdOn": "2022-12-07T16:51:37.571Z", "lastUpdated": "2022-12-07T16:51:37.571Z"}],
			"pagination": {"limit": 100, "offset": 0, "total": 2}}`)
	})
	client := newClient(t, webflow.Config{BaseURL: server.URL})
	res, err := client.ListAssetFolders(t.Context(), webflow.ListAssetFoldersParams{SiteID: standin.SiteID})
	require.NoError(t, err)
	require.Equal(t, []webflow.AssetFolder{
		{ID: "6390c49774a71f0e3c1a08ee", DisplayName: "Team"},
		{ID: "6390c49774a71f99f21a08eb", DisplayName: "2026", ParentFolder: "6390c49774a71f0e3c1a08ee"},
	}, res.Folders)
	require.Equal(t, 2, res.Total)
}

// The stand-in has the folder in a list only, and its filter takes the folders below too.
func TestFoldersOfTheStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Config{}, webflow.Config{})
	team, year, other := standin.AssetID(901), standin.AssetID(902), standin.AssetID(903)
	b.api.AddFolder(team, "Team", "")
	b.api.AddFolder(year, "2026", team)
	b.api.AddFolder(other, "Other", "")
	b.api.MoveAsset(standin.AssetID(0), team)
	b.api.MoveAsset(standin.AssetID(1), year)
	list := func(folder string) map[string]string {
		res, err := b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID, FolderID: folder})
		require.NoError(t, err)
		folders := map[string]string{}
		for _, a := range res.Assets {
			folders[a.ID] = string(a.FolderID)
		}
		require.Len(t, folders, res.Total)
		return folders
	}
	both := map[string]string{standin.AssetID(0): team, standin.AssetID(1): year}
	require.Equal(t, both, list(team))
	require.Equal(t, map[string]string{standin.AssetID(1): year}, list(year))
	require.Empty(t, list(other))
	both[standin.AssetID(2)] = ""
	require.Equal(t, both, list(""))

	got, err := b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: standin.AssetID(1)})
	require.NoError(t, err)
	require.Empty(t, got.Asset.FolderID, "Get Asset does not have it")
	res, err := b.client.ListAssetFolders(t.Context(), webflow.ListAssetFoldersParams{SiteID: standin.SiteID, Limit: 2, Offset: 1})
	require.NoError(t, err)
	require.Equal(t, []webflow.AssetFolder{{year, "2026", webflow.Remark(team)}, {other, "Other", ""}}, res.Folders)
	require.Equal(t, []int{2, 1, 3}, []int{res.Limit, res.Offset, res.Total})
}

func TestListFoldersWrong(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Config{}, webflow.Config{})
	_, err := b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID, FolderID: "Team"})
	require.Equal(t, webflow.KindInvalid, asError(t, err).Kind)
	for _, p := range []webflow.ListAssetFoldersParams{{SiteID: "site"}, {SiteID: standin.SiteID, Limit: 101}, {SiteID: standin.SiteID, Offset: -1}} {
		_, err := b.client.ListAssetFolders(t.Context(), p)
		require.Equal(t, webflow.KindInvalid, asError(t, err).Kind)
	}
	for _, body := range []string{`{}`, `{"assetFolders":[]}`, `{"assetFolders":null,"pagination":{}}`, `[]`} {
		b.api.FailNext(standin.Answer(200, nil, body))
		_, err := b.client.ListAssetFolders(t.Context(), webflow.ListAssetFoldersParams{SiteID: standin.SiteID})
		require.Equal(t, webflow.KindBadAnswer, asError(t, err).Kind, body)
	}
}
