package webflow

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// DefaultBaseURL is the address of Webflow's Data API v2.
const DefaultBaseURL = "https://api.webflow.com/v2"

// defaultTimeout is long for an API that answers in under a second, and shorter than
// the lease of a call.
const defaultTimeout = 30 * time.Second

// LocaleIn is the place of localeId in an Update Asset request. Webflow documented the
// JSON body until March 2026, and the query since April 2026. It is not documented
// which of them the API reads.
type LocaleIn string

// The places of localeId. LocaleInBoth is the default. Read requests always use the
// query, which is their only documented place.
const (
	LocaleInBoth  LocaleIn = "both"
	LocaleInBody  LocaleIn = "body"
	LocaleInQuery LocaleIn = "query"
)

// Config configures a Client.
type Config struct {
	BaseURL  string        // https, or http for this machine; default DefaultBaseURL
	Token    Token         // required
	LocaleIn LocaleIn      // default LocaleInBoth
	Timeout  time.Duration // of a whole call, from connecting to the answer's last byte; default 30 s
	Version  string        // relabel's, for User-Agent

	// MaxIdleConns is how many idle connections are kept. It should be at least the
	// number of calls in flight. Default 1,000.
	MaxIdleConns int

	// Transport is a NewTransport that several clients share; nil: one of its own.
	Transport http.RoundTripper

	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Client calls the API with one token. It is safe for concurrent use.
type Client struct {
	base      string // without a slash at the end
	token     Token
	localeIn  LocaleIn
	timeout   time.Duration
	userAgent []string
	transport http.RoundTripper
	now       func() time.Time
}

// NewClient checks the configuration and makes a Client. It makes no call.
func NewClient(cfg Config) (*Client, error) {
	if cfg.Token.IsZero() {
		return nil, errors.New("error making the webflow client: there is no token")
	}
	base, err := checkBaseURL(cmp.Or(cfg.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, fmt.Errorf("error in the API's address: %w", err)
	}
	c := &Client{
		base:      strings.TrimRight(base.String(), "/"),
		token:     cfg.Token,
		localeIn:  cmp.Or(cfg.LocaleIn, LocaleInBoth),
		timeout:   cmp.Or(cfg.Timeout, defaultTimeout),
		userAgent: []string{"relabel/" + cmp.Or(cfg.Version, "dev")},
		transport: cfg.Transport,
		now:       cfg.Now,
	}
	if err := c.complete(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

// complete checks the other settings, and sets the defaults that cmp.Or cannot.
func (c *Client) complete(cfg Config) error {
	switch c.localeIn {
	case LocaleInBoth, LocaleInBody, LocaleInQuery:
	default:
		return fmt.Errorf("error in the place of the locale: %q is not one of both, body, query", c.localeIn)
	}
	if c.timeout < 0 {
		return fmt.Errorf("error in the call's time-out: %s is negative", c.timeout)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.transport == nil {
		c.transport = NewTransport(cmp.Or(cfg.MaxIdleConns, DefaultIdleConns))
	}
	return nil
}

// Redact removes the token from a text of an answer that is stored as it is, such as an
// asset's name. (The texts of an Error are clean already.)
func (c *Client) Redact(s string) string { return c.token.Redact(s) }

// CloseIdleConnections closes the idle connections.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// CheckURL checks an API's address as NewClient does.
func CheckURL(s string) error {
	_, err := checkBaseURL(s)
	return err
}

// checkBaseURL accepts https, and http for this machine only, because every call
// carries the token. Errors do not repeat an address that may hold a password.
func checkBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL")
	case u.User != nil:
		return nil, errors.New("it must not hold a user name or password")
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q has no host", s)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it must not hold a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q would send the token unencrypted: use https (http is for this machine only)", s)
	}
	return nil, fmt.Errorf("%q must begin with https://", s)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
