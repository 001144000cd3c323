package schedule

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Environment variables that let a worker reach addresses of its own network.
const (
	SourceAllowPrivate = "RELABEL_SOURCE_ALLOW_PRIVATE"
	NotifyAllowPrivate = "RELABEL_NOTIFY_ALLOW_PRIVATE"
	NotifySecret       = "RELABEL_NOTIFY_SECRET" //nolint:gosec // the variable's name
)

const (
	dialTimeout  = 10 * time.Second
	maxRedirects = 5
)

// ParseURL checks an address that workers will reach: https, without a password
// in it; http where private addresses are allowed.
func ParseURL(text string, allowPrivate bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("this is no URL: it should look like https://HOST/PATH")
	case u.User != nil:
		return nil, errors.New("a URL with a user or a password in it is not stored: leave them out")
	case u.Scheme != "https" && !(allowPrivate && u.Scheme == "http"):
		return nil, fmt.Errorf("the URL must begin with https://, not %s://", u.Scheme)
	}
	return u, nil
}

// IsURL tells a URL from a path. A URL of another kind, or one that can't be read,
// is no path either: it would be stored with all that is in it.
func IsURL(text string) bool { return strings.Contains(text, "://") }

// ShownURL is a URL without what may be secret in it.
func ShownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}

// ShownHost is where a URL leads; the path of a web hook is its secret.
func ShownHost(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// errPrivate says that an address is refused.
var errPrivate = errors.New("the address is in a private network")

// newClient makes a client that reaches public addresses only, unless private
// ones are allowed. What counts is the address after the name is resolved, at the
// moment of the connection. Proxies of the environment are not used: behind one
// the address could not be told.
func newClient(allowPrivate bool, timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if !allowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			ip, err := netip.ParseAddrPort(address)
			if err != nil || !isPublic(ip.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: timeout,
			DisableCompression: true, // intake knows gzip, and its bounds
			DisableKeepAlives:  true, // the next call is a night away
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if _, err := ParseURL(req.URL.String(), allowPrivate); err != nil {
				return fmt.Errorf("a redirect is refused: %w", err)
			}
			return nil
		},
	}
}

// isPublic tells addresses of the Internet from those of a machine, a network or
// a protocol (the registries of special addresses at IANA).
func isPublic(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, special := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		if netip.MustParsePrefix(special).Contains(ip) {
			return false
		}
	}
	return true
}

// reached says why an address was not reached, without the address: its path or
// query may be a secret.
func reached(err error) error {
	if errors.Is(err, errPrivate) {
		return errPrivate
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return errors.New("no answer in time")
		}
		err = e.Err
	}
	return err
}
