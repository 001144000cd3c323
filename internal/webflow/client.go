package webflow

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// DefaultBaseURL is where Webflow's Data API v2 is.
const DefaultBaseURL = "https://api.webflow.com/v2"

// defaultTimeout is generous for an API that answers in under a second, and short
// beside the lease of a call.
const defaultTimeout = 30 * time.Second

// LocaleIn says where Update Asset is told the locale. Webflow's Update Asset page had
// localeId in the JSON body until March 2026 and has it in the query since April 2026,
// at the same address; which of them the API reads is not documented.
type LocaleIn string

// The places for a locale. Both is the default; the reads always use the query, the
// only form they have.
const (
	LocaleInBoth  LocaleIn = "both"
	LocaleInBody  LocaleIn = "body"
	LocaleInQuery LocaleIn = "query"
)

// Config is what a Client is made of.
type Config struct {
	BaseURL  string        // default DefaultBaseURL; https, or http for this machine
	Token    Token         // required
	LocaleIn LocaleIn      // default LocaleInBoth
	Timeout  time.Duration // for a whole call: connecting, sending, the answer's last byte; default 30 s
	Version  string        // relabel's, for User-Agent

	// MaxIdleConns is how many connections are kept for the next call: as many as
	// there are calls in flight. Default 64.
	MaxIdleConns int

	// Transport replaces the Client's own, and with it the rules in newTransport.
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

// NewClient checks the configuration and makes a Client. It calls nobody.
func NewClient(cfg Config) (*Client, error) {
	if cfg.Token.IsZero() {
		return nil, errors.New("error making the webflow client: there is no token")
	}
	base, err := checkBaseURL(orDefault(cfg.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, fmt.Errorf("error in the API's address: %w", err)
	}
	c := &Client{
		base:      strings.TrimRight(base.String(), "/"),
		token:     cfg.Token,
		localeIn:  orDefault(cfg.LocaleIn, LocaleInBoth),
		timeout:   orDefault(cfg.Timeout, defaultTimeout),
		userAgent: []string{"relabel/" + orDefault(cfg.Version, "dev")},
		transport: cfg.Transport,
		now:       cfg.Now,
	}
	if err := c.complete(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

// complete checks what is left and fills in what has no simple default.
func (c *Client) complete(cfg Config) error {
	switch c.localeIn {
	case LocaleInBoth, LocaleInBody, LocaleInQuery:
	default:
		return fmt.Errorf("error in the place for the locale: %q is not one of both, body, query", c.localeIn)
	}
	if c.timeout < 0 {
		return fmt.Errorf("error in the call's time-out: %s is negative", c.timeout)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.transport == nil {
		c.transport = newTransport(orDefault(cfg.MaxIdleConns, defaultIdleConns))
	}
	return nil
}

// Redact takes the token out of text that came with an answer and is kept as it is,
// such as an asset's name. (An Error's texts are clean already.)
func (c *Client) Redact(s string) string { return c.token.Redact(s) }

// CloseIdleConnections closes the connections kept for the next call.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// checkBaseURL accepts https, and http where nobody can listen on the way: the token
// goes with every call. The address is not repeated where it may hold a password.
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

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
