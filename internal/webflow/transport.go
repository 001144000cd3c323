package webflow

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	// defaultIdleConns is four times the workers of one process and site; an idle
	// connection costs some 40 KB with its TLS state.
	defaultIdleConns = 64

	// idleTimeout stays below the 60 s after which many gateways close an idle
	// connection: a PATCH sent into such a closing has an unknown outcome, a new
	// connection costs one handshake. net/http compares it with the wall clock too, so
	// that connections from before a laptop's sleep are not used.
	idleTimeout = 45 * time.Second

	// connectTimeout and handshakeTimeout end a hopeless start early, so that the
	// call is known not to have been sent.
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second

	// maxHeaderBytes is far above what an API answers with; net/http would read 10 MB.
	maxHeaderBytes = 256 << 10
)

// newTransport is the way to the API.
//
// A proxy named in HTTPS_PROXY is used, for there are networks without another way
// out: it is asked for a tunnel and sees the API's name, while the token travels
// inside TLS from end to end. http is for this machine only and never goes through a
// proxy (http.ProxyFromEnvironment leaves loopback addresses out).
//
// HTTP/1.1 alone is spoken. With few calls in flight HTTP/2 would gain nothing, and a
// connection for each call has two advantages: a dead one is thrown away with the call
// that found it (of HTTP/2 all calls share one, and go on using it), and what was
// written for a call is known, and may be refused or taken back (callConn).
//
// Certificates are verified as always in Go.
func newTransport(idleConns int) *http.Transport {
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
