package webflow

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	// DefaultIdleConns is above any number of calls in flight that --concurrency allows,
	// so that a burst of calls does not dial again. Only connections that calls have made
	// are kept; each costs about 40 KB with its TLS state.
	DefaultIdleConns = 1_000

	// idleTimeout is below 60 s, because many gateways close idle connections then. A
	// PATCH that is sent meanwhile has an unknown outcome, while a new connection costs
	// one handshake. net/http also compares wall clocks, so it does not reuse
	// connections from before a laptop's sleep.
	idleTimeout = 45 * time.Second

	// connectTimeout and handshakeTimeout end a call early when it cannot start, so
	// that it certainly was not sent.
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second

	// maxHeaderBytes is far above what an API sends; the default of net/http is 10 MB.
	maxHeaderBytes = 256 << 10
)

// NewTransport makes the connections to the API, and keeps so many idle ones. Clients of
// several tokens may share it: each call carries its own token.
//
// It uses the proxy in HTTPS_PROXY, because some networks have no other way out. The
// proxy opens a tunnel and sees the API's host name; the token travels inside TLS. Plain
// http is only for this machine, and never goes through a proxy
// (http.ProxyFromEnvironment excludes loopback addresses).
//
// It speaks only HTTP/1.1. With few calls in flight HTTP/2 would gain nothing, and one
// connection per call has two advantages. A dead connection fails only one call, while
// with HTTP/2 all calls share it. And it is known which bytes belong to which call, so
// that callConn can refuse or drop them.
//
// Certificates are verified as usual.
func NewTransport(idleConns int) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialCalls(dialer.DialContext),
		Protocols:              &protocols,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
