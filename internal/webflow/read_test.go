package webflow_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

func TestGetAsset(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{LocaleIn: webflow.LocaleInBody})
	b.api.SetName(b.asset, "", "main")
	b.api.SetName(b.asset, standin.FrenchLocale, "principal")
	b.api.SetAltText(b.asset, "", "text")

	res, err := b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: b.asset})
	require.NoError(t, err)
	require.Equal(t, "main", res.Asset.DisplayName)
	require.Equal(t, "text", *res.Asset.AltText)
	res, err = b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: b.asset, LocaleID: standin.FrenchLocale})
	require.NoError(t, err)
	require.Equal(t, "principal", res.Asset.DisplayName)

	_, err = b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: standin.AssetID(99)})
	require.Equal(t, webflow.KindNotFound, asError(t, err).Kind)
	_, err = b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: "x"})
	require.Equal(t, webflow.KindInvalid, asError(t, err).Kind)
	b.api.FailNext(standin.OtherID(standin.AssetID(1)))
	_, err = b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: b.asset})
	require.Equal(t, webflow.KindWrongAsset, asError(t, err).Kind)
}

func TestListAssets(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	b.api.AddAssets(247)
	b.api.SetName(b.asset, standin.GermanLocale, "erstes")
	seen := map[string]bool{}
	for offset := 0; ; {
		res, err := b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID, LocaleID: standin.GermanLocale, Offset: offset})
		require.NoError(t, err)
		require.Equal(t, 250, res.Total)
		require.Equal(t, offset, res.Offset)
		require.Equal(t, 100, res.Limit)
		for _, a := range res.Assets {
			require.False(t, seen[a.ID])
			seen[a.ID] = true
		}
		if offset == 0 {
			require.Equal(t, "erstes", res.Assets[0].DisplayName)
		}
		offset += len(res.Assets)
		if offset >= res.Total {
			break
		}
	}
	require.Len(t, seen, 250)
	require.Equal(t, 3, b.api.Calls())

	res, err := b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID, Limit: 2, Offset: 300})
	require.NoError(t, err)
	require.Empty(t, res.Assets)
	require.Equal(t, 2, res.Limit)
}

func TestListAssetsWrong(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	for _, p := range []webflow.ListAssetsParams{
		{SiteID: "site"}, {SiteID: standin.SiteID, Limit: 101}, {SiteID: standin.SiteID, Limit: -1}, {SiteID: standin.SiteID, Offset: -1},
	} {
		_, err := b.client.ListAssets(t.Context(), p)
		require.Equal(t, webflow.KindInvalid, asError(t, err).Kind)
	}
	for _, body := range []string{`{}`, `null`, `{"assets":[]}`, `{"assets":null,"pagination":{"limit":1,"offset":0,"total":0}}`, `{"pagination":{}}`, `[]`} {
		b.api.FailNext(standin.Answer(200, nil, body))
		_, err := b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID})
		require.Equal(t, webflow.KindBadAnswer, asError(t, err).Kind, body)
	}
	b.api.FailNext(standin.GzipBomb(1000))
	_, err := b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID})
	require.Equal(t, webflow.KindBadAnswer, asError(t, err).Kind)
}

// A page of tiny entries would take a hundred times its size. It is not decoded to its end,
// where the number is no entry.
func TestPageHasAnEnd(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	page := func(list, last string, entries int) error {
		body := `{"` + list + `":[` + strings.Repeat("{},", entries-1) + last + `],"pagination":{"limit":100,"offset":0,"total":500}}`
		b.api.FailNext(standin.Answer(200, nil, body))
		var err error
		if list == "assets" {
			_, err = b.client.ListAssets(t.Context(), webflow.ListAssetsParams{SiteID: standin.SiteID})
		} else {
			_, err = b.client.ListAssetFolders(t.Context(), webflow.ListAssetFoldersParams{SiteID: standin.SiteID})
		}
		return err
	}
	for _, list := range []string{"assets", "assetFolders"} {
		require.NoError(t, page(list, "{}", 10_000))
		e := asError(t, page(list, "5", 10_002))
		require.Equal(t, webflow.KindBadAnswer, e.Kind)
		require.ErrorContains(t, e, "it has more than 10000 entries")
		e = asError(t, page(list, `{"displayName":5}`, 2))
		require.Equal(t, webflow.KindBadAnswer, e.Kind)
		require.ErrorContains(t, e, list+".displayName is of type number")
	}
}

func TestGetSite(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	res, err := b.client.GetSite(t.Context(), standin.SiteID)
	require.NoError(t, err)
	require.Equal(t, webflow.Locale(standin.Locales()[0]), *res.Site.Locales.Primary)
	require.Len(t, res.Site.Locales.Secondary, 2)
	require.Equal(t, "fr-FR", res.Site.Locales.Secondary[0].Tag)

	_, err = b.client.GetSite(t.Context(), "not an id")
	require.Equal(t, webflow.KindInvalid, asError(t, err).Kind)
	_, err = b.client.GetSite(t.Context(), standin.AssetID(1))
	require.Equal(t, webflow.KindNotFound, asError(t, err).Kind)
	b.api.FailNext(standin.Answer(200, nil, `{"id":"650000000000000000000002"}`))
	_, err = b.client.GetSite(t.Context(), standin.SiteID)
	require.Equal(t, webflow.KindBadAnswer, asError(t, err).Kind)
}

func TestGetSiteWithoutLocales(t *testing.T) {
	t.Parallel()

	for _, body := range []string{`{"id":"650000000000000000000001"}`, `{"id":"650000000000000000000001","locales":{"primary":null,"secondary":null}}`} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) })
		client := newClient(t, webflow.Config{BaseURL: server.URL})
		res, err := client.GetSite(t.Context(), standin.SiteID)
		require.NoError(t, err)
		require.Nil(t, res.Site.Locales.Primary)
		require.Empty(t, res.Site.Locales.Secondary)
	}
}
