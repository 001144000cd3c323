package webflow_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

func TestUpdateAsset(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{Limit: 60, Tokens: []string{testToken}}, webflow.Config{})
	res, err := b.client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: b.asset, DisplayName: ptr("<Übersicht> & 🙂"), AltText: ptr("")})
	require.NoError(t, err)
	require.Equal(t, "<Übersicht> & 🙂", res.Asset.DisplayName)
	require.Empty(t, *res.Asset.AltText)
	require.Equal(t, "asset-000001.jpg", res.Asset.OriginalFileName)
	require.Equal(t, standin.SiteID, res.Asset.SiteID)
	require.WithinDuration(t, time.Now(), res.Asset.LastUpdated.Time, time.Minute)
	require.Equal(t, 200, res.Meta.Status)
	require.Equal(t, webflow.RateLimit{Limit: 60, Remaining: 59, HasLimit: true, HasRemaining: true}, res.Meta.RateLimit)
	require.Equal(t, "<Übersicht> & 🙂", b.api.Name(b.asset, ""))
}

// TestUpdateAssetOnTheWire checks the bytes of the request.
func TestUpdateAssetOnTheWire(t *testing.T) {
	t.Parallel()

	const id, locale = "aaaaaaaaaaaaaaaaaaaaaaaa", "fr&=é"
	both := webflow.UpdateAssetParams{AssetID: id, LocaleID: locale, DisplayName: ptr("n"), AltText: ptr("a")}
	tests := []struct {
		name        string
		in          webflow.LocaleIn
		params      webflow.UpdateAssetParams
		body, query string
	}{
		{"by default in both", "", both, `{"localeId":"fr\u0026=é","displayName":"n","altText":"a"}`, "localeId=fr%26%3D%C3%A9"},
		{"both", webflow.LocaleInBoth, both, `{"localeId":"fr\u0026=é","displayName":"n","altText":"a"}`, "localeId=fr%26%3D%C3%A9"},
		{"body", webflow.LocaleInBody, both, `{"localeId":"fr\u0026=é","displayName":"n","altText":"a"}`, ""},
		{"query", webflow.LocaleInQuery, both, `{"displayName":"n","altText":"a"}`, "localeId=fr%26%3D%C3%A9"},
		{"no locale", "", webflow.UpdateAssetParams{AssetID: id, DisplayName: ptr("n")}, `{"displayName":"n"}`, ""},
		{"alt text alone", "", webflow.UpdateAssetParams{AssetID: id, AltText: ptr("")}, `{"altText":""}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got := map[string]any{
					"line": r.Method + " " + r.URL.Path, "query": r.URL.RawQuery, "body": string(body), "length": r.ContentLength,
					"authorization": r.Header["Authorization"], "type": r.Header["Content-Type"], "agent": r.Header["User-Agent"],
				}
				sent, _ := json.Marshal(got)
				_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "displayName": string(sent)})
			})
			client := newClient(t, webflow.Config{BaseURL: server.URL + "/v2/", LocaleIn: tt.in, Version: "1.2.3"})
			res, err := client.UpdateAsset(t.Context(), tt.params)
			require.NoError(t, err)
			want, _ := json.Marshal(map[string]any{
				"line": "PATCH /v2/assets/" + id, "query": tt.query, "body": tt.body, "length": len(tt.body),
				"authorization": []string{"Bearer " + testToken}, "type": []string{"application/json"}, "agent": []string{"relabel/1.2.3"},
			})
			require.JSONEq(t, string(want), res.Asset.DisplayName)
		})
	}
}

func TestUpdateAssetInvalid(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	for _, p := range []webflow.UpdateAssetParams{
		{AssetID: "", DisplayName: ptr("n")},
		{AssetID: "AAAAAAAAAAAAAAAAAAAAAAAA", DisplayName: ptr("n")},
		{AssetID: "aaaaaaaaaaaaaaaaaaaaaaa", DisplayName: ptr("n")},
		{AssetID: "../sites/aaaaaaaaaaaaaaa", DisplayName: ptr("n")},
		{AssetID: "aaaaaaaaaaaaaaaaaaaaaaa/", DisplayName: ptr("n")},
		{AssetID: b.asset},
		{AssetID: b.asset, DisplayName: ptr("a\xffb")},
		{AssetID: b.asset, AltText: ptr("\xff")},
		{AssetID: b.asset, DisplayName: ptr("n"), LocaleID: "\xff"},
	} {
		_, err := b.client.UpdateAsset(t.Context(), p)
		e := asError(t, err)
		require.Equal(t, webflow.KindInvalid, e.Kind)
		require.Zero(t, e.Meta.Status)
	}
	require.Zero(t, b.api.Calls())
}

func TestUpdateAssetUnknownFieldsAndNull(t *testing.T) {
	t.Parallel()

	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"id":"aaaaaaaaaaaaaaaaaaaaaaaa","displayName":"","altText":null,"lastUpdated":"Monday",
			"variants":[{"x":[1,2,{"y":null}]}],"folder":{"a":"b"},"size":1e400}`)
	})
	client := newClient(t, webflow.Config{BaseURL: server.URL})
	res, err := client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: "aaaaaaaaaaaaaaaaaaaaaaaa", DisplayName: ptr("n")})
	require.NoError(t, err)
	require.Nil(t, res.Asset.AltText)
	require.Empty(t, res.Asset.DisplayName)
	require.True(t, res.Asset.LastUpdated.IsZero())
}

func TestRateLimitOfTheStandIn(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{Limit: 2, Window: time.Hour}, webflow.Config{})
	for _, remaining := range []int{1, 0} {
		res, err := b.rename(t, "n")
		require.NoError(t, err)
		require.Equal(t, remaining, res.Meta.RateLimit.Remaining)
	}
	_, err := b.rename(t, "n")
	e := asError(t, err)
	require.Equal(t, webflow.KindRateLimited, e.Kind)
	require.Equal(t, webflow.RateLimit{Limit: 2, HasLimit: true, HasRemaining: true}, e.Meta.RateLimit)
	require.True(t, e.Meta.RetryAfter.Present)
	require.Positive(t, e.Meta.RetryAfter.After)

	for _, limit := range []int{120, 60} { // changed during the run
		b.api.SetLimit(limit, time.Hour)
		res, err := b.rename(t, "n")
		require.NoError(t, err)
		require.Equal(t, limit, res.Meta.RateLimit.Limit)
	}
}
