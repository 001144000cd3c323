package webflow

import (
	"crypto/x509"
	"net/http"
)

// TransportTrusting is the Client's own transport, for a server with a certificate of
// the test's.
func TransportTrusting(roots *x509.CertPool) *http.Transport {
	t := newTransport(defaultIdleConns)
	t.TLSClientConfig.RootCAs = roots
	return t
}
