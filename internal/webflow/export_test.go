package webflow

import (
	"crypto/x509"
	"net/http"
)

// TransportTrusting returns the Client's own transport, which trusts the certificates of
// a test too.
func TransportTrusting(roots *x509.CertPool) *http.Transport {
	t := NewTransport(DefaultIdleConns)
	t.TLSClientConfig.RootCAs = roots
	return t
}
