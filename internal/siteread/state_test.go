package siteread

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// An API or a proxy may repeat the Authorization header anywhere in its answers, which are
// kept. PostgreSQL takes no NUL.
func TestAnswersAreKeptWithoutTokenAndNUL(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 1}})
	said := `"a\u0000 Bearer ` + token[:8] + `\u0000` + token[8:] + `"`
	answer := func(body string) {
		page := strings.ReplaceAll(body, "SAID", said)
		b.api.FailNext(standin.Answer(200, nil, strings.ReplaceAll(page, "ID", standin.AssetID(0))))
	}
	answer(`{"assets": [{"id": "ID", "displayName": SAID, "altText": SAID, "originalFileName": SAID, "contentType": SAID,
		"hostedUrl": SAID, "folderId": SAID}], "pagination": {"limit": 100, "offset": 0, "total": 1}}`)
	_, err := b.reader.ReadSite(t.Context(), []string{""}, b.params)
	require.NoError(t, err)
	answer(`{"assetFolders": [{"id": "ID", "displayName": SAID, "parentFolder": SAID}], "pagination": {"limit": 100, "offset": 0, "total": 1}}`)
	require.NoError(t, b.reader.ReadFolders(t.Context()))
	answer(`{"id": "` + standin.SiteID + `", "locales": {"primary": {"id": SAID, "tag": SAID}, "secondary": [
		{"id": SAID, "tag": SAID, "subdirectory": SAID, "cmsLocaleId": SAID}]}}`)
	locales, err := b.reader.Locales(t.Context())
	require.NoError(t, err)
	_, err = locales.Resolve("xx")
	require.ErrorContains(t, err, "it has a Bearer [redacted], a Bearer [redacted]")

	for table, times := range map[string]int{"asset_state": 6, "asset_folder": 3, "site_locale": 3} {
		var kept string
		require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT json_agg(t)::text FROM `+table+` t`).Scan(&kept))
		require.NotContains(t, kept, token, table)
		require.Equal(t, times, strings.Count(kept, "a Bearer [redacted]"), kept)
	}
}
