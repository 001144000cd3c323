package webflow_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// BenchmarkUpdateAsset measures a call over loopback: the client, and a server that only
// answers.
func BenchmarkUpdateAsset(b *testing.B) {
	api := standin.New(standin.Config{Assets: 1})
	r := httptest.NewRequest(http.MethodGet, "/assets/"+standin.AssetID(0), nil)
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	answer := w.Body.Bytes()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	}))
	defer server.Close()
	token, err := webflow.NewToken(testToken)
	require.NoError(b, err)

	b.Run("client", func(b *testing.B) {
		client, err := webflow.NewClient(webflow.Config{Token: token, BaseURL: server.URL})
		require.NoError(b, err)
		defer client.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.UpdateAsset(b.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare net/http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL, nil)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}
