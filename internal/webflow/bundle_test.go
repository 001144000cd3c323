package webflow_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

const testToken = "4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee1"

// patience is the timeout of calls that should not time out, long enough for a busy
// machine.
const patience = 30 * time.Second

type testBundle struct {
	api    *standin.Server
	client *webflow.Client
	asset  string // an asset that exists
}

// setup starts a stand-in server with three assets, and a client for it.
func setup(t *testing.T, api standin.Config, cfg webflow.Config) *testBundle {
	t.Helper()
	api.Assets = 3
	server, err := standin.Start(api)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	cfg.BaseURL = server.URL()
	return &testBundle{server, newClient(t, cfg), standin.AssetID(0)}
}

func newClient(t *testing.T, cfg webflow.Config) *webflow.Client {
	t.Helper()
	token, err := webflow.NewToken(testToken)
	require.NoError(t, err)
	cfg.Token = token
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	client, err := webflow.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serve starts an API whose answers the test writes.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// rename is the usual call.
func (b *testBundle) rename(t *testing.T, name string) (webflow.UpdateAssetResult, error) {
	t.Helper()
	return b.client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: b.asset, DisplayName: &name})
}

func asError(t *testing.T, err error) *webflow.Error {
	t.Helper()
	var e *webflow.Error
	require.ErrorAs(t, err, &e, "%v", err)
	return e
}

func ptr(s string) *string { return &s }

func nameIt(ctx context.Context, c *webflow.Client, name string) error {
	_, err := c.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: &name})
	return err
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}
