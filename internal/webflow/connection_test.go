package webflow_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// TestRedirects: the token must reach no server except the API.
func TestRedirects(t *testing.T) {
	t.Parallel()

	var arrived atomic.Int64
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { arrived.Add(1) })
	b := setup(t, standin.Config{}, webflow.Config{})
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308, 399} {
		for _, location := range []string{elsewhere.URL + "/v2?key=" + testToken, "/v2/assets/" + b.asset, "%zz://", ""} {
			b.api.FailNext(standin.Redirect(status, location), standin.Redirect(status, location))
			_, err := b.rename(t, "n")
			e := asError(t, err)
			require.Equal(t, webflow.KindRedirected, e.Kind, "%d to %q", status, location)
			require.Equal(t, status, e.Meta.Status)
			requirePrintable(t, e)
			_, err = b.client.GetAsset(t.Context(), webflow.GetAssetParams{AssetID: b.asset})
			require.Equal(t, webflow.KindRedirected, asError(t, err).Kind)
		}
	}
	require.Zero(t, arrived.Load())
	require.Equal(t, 9*4*2, b.api.Calls())
}

func TestSwitchingProtocolsEndsAtOnce(t *testing.T) {
	t.Parallel()

	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // the test is over
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // ends when the client closes
	})
	client := newClient(t, webflow.Config{BaseURL: server.URL})
	_, err := client.GetSite(t.Context(), standin.SiteID)
	require.Equal(t, webflow.KindOtherStatus, asError(t, err).Kind)
}

func TestNotSent(t *testing.T) {
	t.Parallel()

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	dns := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true}}
	}}
	var arrived atomic.Int64
	handler := func(http.ResponseWriter, *http.Request) { arrived.Add(1) }
	plain := serve(t, handler)
	unknown := serveTLS(t, handler, nil)
	old := serveTLS(t, handler, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}) //nolint:gosec // that is the test

	tests := []struct {
		name, message string
		cfg           webflow.Config
	}{
		{"connection refused", "refused", webflow.Config{BaseURL: "http://" + closed.Addr().String()}},
		{"no such host", "no such host", webflow.Config{BaseURL: "https://api.example.com", Transport: dns}},
		{"certificate that does not verify", "certificate", webflow.Config{BaseURL: unknown.URL}},
		{"certificate for another name", "certificate", webflow.Config{BaseURL: otherName(unknown), Transport: trusting(unknown)}},
		{"TLS too old", "protocol version", webflow.Config{BaseURL: old.URL, Transport: trusting(old)}},
		{"no TLS at all", "tls: ", webflow.Config{BaseURL: "https" + plain.URL[len("http"):]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := newClient(t, tt.cfg)
			_, err := client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")})
			e := asError(t, err)
			require.Equal(t, webflow.KindNotSent, e.Kind, "%v", e)
			require.Zero(t, e.Meta.Status)
			require.Contains(t, e.Message, tt.message)
			requirePrintable(t, e)
			_, again := client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")})
			require.Equal(t, e.Message, asError(t, again).Message, "the same cause has the same message")
		})
	}
	require.Zero(t, arrived.Load())
}

func serveTLS(t *testing.T, h http.HandlerFunc, cfg *tls.Config) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = cfg
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func trusting(server *httptest.Server) *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return webflow.TransportTrusting(roots)
}

// otherName returns the server's URL with a host name that its certificate lacks.
func otherName(server *httptest.Server) string {
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return "https://localhost:" + port
}

func TestOverTLS(t *testing.T) {
	t.Parallel()

	api := standin.New(standin.Config{Assets: 1})
	t.Cleanup(api.Close)
	server := serveTLS(t, api.ServeHTTP, nil)
	client := newClient(t, webflow.Config{BaseURL: server.URL + "/v2", Transport: trusting(server)})
	_, err := client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")})
	require.NoError(t, err)
	require.Equal(t, "n", api.Name(standin.AssetID(0), ""))

	api.FailNext(standin.ResetBeforeHeaders())
	_, err = client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("o")})
	require.Equal(t, webflow.KindUnknown, asError(t, err).Kind)
	require.Equal(t, 2, api.Calls())
}

func TestStopped(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err := b.client.UpdateAsset(stopped, webflow.UpdateAssetParams{AssetID: b.asset, DisplayName: ptr("n")})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, webflow.KindNotSent, asError(t, err).Kind)
	require.Zero(t, b.api.Calls())

	b.api.FailNext(standin.Hang())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := b.client.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: b.asset, DisplayName: ptr("n")})
		ended <- err
	}()
	require.NoError(t, b.api.WaitCalls(t.Context(), 1))
	cancel()
	err = <-ended
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, webflow.KindUnknown, asError(t, err).Kind)
}

// TestConnectionsAreReused gets successes, errors and refusals over one connection.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()

	api := standin.New(standin.Config{Assets: 1})
	t.Cleanup(api.Close)
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(api)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newClient(t, webflow.Config{BaseURL: server.URL})
	api.FailNext(standin.Status(500), standin.Gateway(502, ""), standin.RateLimited("1"), standin.CutJSON(),
		standin.Answer(204, nil, ""), standin.Redirect(301, "/"), standin.Status(404))
	for range 20 {
		_, _ = client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")})
	}
	require.Equal(t, 20, api.Calls())
	require.EqualValues(t, 1, opened.Load())
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t, standin.Config{}, webflow.Config{})
	b.api.AddAssets(50)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for n := range 4 {
				name := fmt.Sprintf("%d-%d", i, n)
				res, err := b.client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(i), DisplayName: &name})
				if err != nil || res.Asset.DisplayName != name {
					t.Errorf("%s: %v %v", name, res, err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 200, b.api.Calls())
	require.Empty(t, b.api.Overlaps(0))
}

// TestProxy: a proxy opens a tunnel, and never sees the token.
func TestProxy(t *testing.T) {
	t.Parallel()

	api := standin.New(standin.Config{Assets: 1})
	t.Cleanup(api.Close)
	server := serveTLS(t, api.ServeHTTP, nil)
	var refuse atomic.Bool
	var asked []string
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, fmt.Sprint(r.Method, r.Host, r.Header))
		if refuse.Load() {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		tunnel(w, r)
	})
	transport := trusting(server)
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	transport.Proxy = http.ProxyURL(address)
	client := newClient(t, webflow.Config{BaseURL: server.URL, Transport: transport})
	params := webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")}
	_, err = client.UpdateAsset(t.Context(), params)
	require.NoError(t, err)

	client.CloseIdleConnections()
	refuse.Store(true)
	_, err = client.UpdateAsset(t.Context(), params)
	e := asError(t, err)
	require.Equal(t, webflow.KindNotSent, e.Kind)
	require.Contains(t, e.Message, "Proxy Authentication Required")
	require.Equal(t, 1, api.Calls())
	require.Len(t, asked, 2)
	require.NotContains(t, fmt.Sprint(asked), testToken)
}

// tunnel handles CONNECT as a proxy does.
func tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := net.Dial("tcp", r.Host)
	if err != nil {
		return
	}
	defer there.Close() //nolint:errcheck // both ends hang up
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close() //nolint:errcheck // both ends hang up
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go io.Copy(there, here) //nolint:errcheck // ends with the tunnel
	_, _ = io.Copy(here, there)
}

// breaker is an API that answers the first request of each connection. It reads the
// second one, and breaks the connection without an answer.
type breaker struct {
	net.Listener
	requests atomic.Int64
}

func (b *breaker) serve() {
	for {
		conn, err := b.Accept()
		if err != nil {
			return
		}
		go b.talk(conn)
	}
}

func (b *breaker) talk(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // breaking it is the point
	r := bufio.NewReader(conn)
	for n := range 2 {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		b.requests.Add(1)
		if n == 0 {
			body := `{"id":"aaaaaaaaaaaaaaaaaaaaaaaa","displayName":"n"}`
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
}

// TestNothingIsSentTwice: net/http sends a GET again by itself when a reused connection
// breaks. Such a call has no grant of the rate limit, so it must not happen.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()

	const id = "aaaaaaaaaaaaaaaaaaaaaaaa"
	calls := map[string]func(context.Context, *webflow.Client) error{
		"GET": func(ctx context.Context, c *webflow.Client) error {
			_, err := c.GetAsset(ctx, webflow.GetAssetParams{AssetID: id})
			return err
		},
		"PATCH": func(ctx context.Context, c *webflow.Client) error {
			_, err := c.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: id, DisplayName: ptr("n")})
			return err
		},
	}
	for name, send := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			api := &breaker{Listener: listener}
			go api.serve()
			t.Cleanup(func() { _ = listener.Close() })

			client := newClient(t, webflow.Config{BaseURL: "http://" + listener.Addr().String()})
			for round := range 20 {
				require.NoError(t, send(t.Context(), client))
				err := send(t.Context(), client)
				e := asError(t, err)
				require.Equal(t, webflow.KindUnknown, e.Kind, "%v", e)
				require.NotErrorIs(t, err, context.Canceled, "nobody stopped it")
				require.EqualValues(t, 2*(round+1), api.requests.Load())
			}
		})
	}
}

// TestNothingIsSentTwiceOnAnIdleConnection: net/http finds another idle connection for
// its second attempt. Only closing that connection keeps it from sending the request.
func TestNothingIsSentTwiceOnAnIdleConnection(t *testing.T) {
	t.Parallel()

	for range 50 {
		var requests atomic.Int64
		both := make(chan struct{}) // closed when two connections are in use at once
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch requests.Add(1) {
			case 1:
				<-both
			case 2:
				close(both)
			default:
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_ = conn.(*net.TCPConn).SetLinger(0)
					_ = conn.Close()
				}
				return
			}
			_, _ = fmt.Fprintf(w, `{"id":%q}`, standin.SiteID)
		})
		client := newClient(t, webflow.Config{BaseURL: server.URL})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _ = client.GetSite(t.Context(), standin.SiteID) })
		}
		wg.Wait()
		_, err := client.GetSite(t.Context(), standin.SiteID)
		require.Equal(t, webflow.KindUnknown, asError(t, err).Kind)
		server.Close() // waits for whatever arrived
		require.EqualValues(t, 3, requests.Load())
	}
}
