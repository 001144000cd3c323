// Package outward makes connections to addresses from the database: sources of schedules,
// web hooks and mail servers.
//
// Anybody who can write to the database can store any address, so each is checked twice.
// ParseURL checks its text, when it is stored and at each use. Dialer checks the IP address
// at the moment of the connection, and refuses one that is not public. Only the environment
// of the process can allow private ones.
//
// NewClient returns an HTTP client that uses Dialer. ShownURL, ShownHost and WithoutURL
// remove from addresses and errors what may be secret, before people see them.
package outward

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	dialTimeout  = 10 * time.Second
	maxRedirects = 5
)

var (
	// errPrivate means that an address is not public.
	errPrivate = errors.New("the address is in a private network")

	// ErrNoURL means that a text is no URL.
	ErrNoURL = errors.New("this is no URL")
)

// ParseURL checks an address that workers will call. It must be https and hold no
// user or password; http is accepted if private addresses are allowed. variable is the one
// that allows them.
func ParseURL(text string, allowPrivate bool, variable string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("this is no URL: it should look like https://HOST/PATH")
	case u.User != nil:
		return nil, errors.New("a URL with a user or a password in it is not stored: leave them out")
	case u.Scheme == "http" && !allowPrivate:
		return nil, fmt.Errorf("the URL must begin with https://, not http://; to allow http and private networks, set %s=1 where relabel runs", variable)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the URL must begin with https://, not %s://", u.Scheme)
	}
	return u, CheckPort(u)
}

// CheckPort refuses a port that no connection can have.
func CheckPort(u *url.URL) error {
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("the port %s is not a number from 1 to 65535", port)
		}
	}
	return nil
}

// IsURL distinguishes a URL from a path. A URL that ParseURL refuses must not be taken for a
// path: it would be stored with any secret in it.
func IsURL(text string) bool { return strings.Contains(text, "://") }

// ShownURL is a URL without the parts that may be secret: user, query, fragment.
func ShownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}

// ShownHost is the host of a URL. The path of a web hook is a secret.
func ShownHost(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// Dialer connects to public addresses only, unless private ones are allowed. It checks the
// resolved address at the moment of the connection, so a name cannot change in between.
func Dialer(allowPrivate bool) *net.Dialer {
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
	return dialer
}

// NewClient makes an HTTP client that connects with Dialer. It ignores the environment's
// proxies, because Dialer would see only the proxy's address. variable is as for ParseURL.
func NewClient(allowPrivate bool, variable string, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: Dialer(allowPrivate).DialContext, TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: timeout,
			DisableCompression: true, // intake unpacks gzip, with a limit
			DisableKeepAlives:  true, // the next call is hours away
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if _, err := ParseURL(req.URL.String(), allowPrivate, variable); err != nil {
				return fmt.Errorf("a redirect was refused: %w", err)
			}
			return nil
		},
	}
}

// WithoutURL removes the URL from an error of the HTTP client: its path or query
// may be a secret. variable is as for ParseURL.
func WithoutURL(err error, variable string) error {
	if errors.Is(err, errPrivate) {
		return fmt.Errorf("%w; to allow that, set %s=1 in the worker's environment", errPrivate, variable)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return errors.New("no answer in time")
		}
		err = e.Err
	}
	return err
}
