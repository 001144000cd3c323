//go:build unix

package chaos

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// proxy stands before a server and spoils its connections.
type proxy struct {
	*toxiproxy.Proxy
	t testing.TB
}

// newProxy listens on a port of its own; addr is where the server is.
func newProxy(t testing.TB, addr string) *proxy {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := &proxy{toxiproxy.NewProxy(api, "proxy", "127.0.0.1:0", addr), t}
	require.NoError(t, p.Start())
	t.Cleanup(p.Stop)
	return p
}

// cut breaks all connections; new ones may be made at once.
func (p *proxy) cut() {
	p.t.Helper()
	p.down()
	p.up()
}

// down breaks all connections and takes no more.
func (p *proxy) down() { p.Stop() }

// up listens on the same port again. Meanwhile somebody else's connection may have
// got it, as it is one of those that are given out: then it waits for that one's end.
func (p *proxy) up() {
	p.t.Helper()
	var err error
	require.Eventually(p.t, func() bool {
		err = p.Start()
		return !errors.Is(err, syscall.EADDRINUSE)
	}, recovery, poll, "the proxy's port is taken")
	require.NoError(p.t, err)
}

// toxic is a fault of toxiproxy's, for a share of the connections.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // upstream: what clients send; downstream: what they get
	Toxicity   float32        `json:"toxicity"`
	Attributes map[string]int `json:"attributes"`
}

func (p *proxy) add(x toxic) {
	p.t.Helper()
	text, err := json.Marshal(x)
	require.NoError(p.t, err)
	_, err = p.Toxics.AddToxicJson(strings.NewReader(string(text)))
	require.NoError(p.t, err)
}

// heal takes all toxics away.
func (p *proxy) heal() { p.Toxics.ResetToxics(p.t.Context()) }
