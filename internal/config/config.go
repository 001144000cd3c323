// Package config reads every environment variable that relabel knows, in one
// place, and holds their defaults.
package config

import (
	"errors"
	"fmt"
	"os"
	"time"

	"relabel/db"
	"relabel/internal/webflow"
)

const (
	defaultCallTimeout = 30 * time.Second

	// Below a second no answer comes in time.
	minCallTimeout = time.Second
	maxCallTimeout = db.MaxCallTime
)

// Config is the environment, checked.
type Config struct {
	DatabaseURL string // empty: the private PostgreSQL
	StateDir    string // of the private PostgreSQL; empty: its default
	SourceURL   string // the PostgreSQL that --sql reads from
	APIURL      string
	Rate        Rate
	RateGiven   bool // WEBFLOW_RATE_LIMIT was set
	CallTimeout time.Duration

	lookup func(string) (string, bool)
}

// Read checks the environment. lookup is os.LookupEnv, or a test's.
func Read(lookup func(string) (string, bool)) (Config, error) {
	get := func(name, otherwise string) string {
		if v, ok := lookup(name); ok && v != "" {
			return v
		}
		return otherwise
	}
	cfg := Config{
		DatabaseURL: get("DATABASE_URL", ""),
		StateDir:    get("RELABEL_STATE_DIR", ""),
		SourceURL:   get("RELABEL_SOURCE_URL", ""),
		APIURL:      get("WEBFLOW_API_URL", webflow.DefaultBaseURL),
		CallTimeout: defaultCallTimeout,
		lookup:      lookup,
	}
	rate := get("WEBFLOW_RATE_LIMIT", "")
	cfg.RateGiven = rate != ""
	var err error
	if cfg.Rate, err = ParseRate(rate); err != nil {
		return cfg, fmt.Errorf("WEBFLOW_RATE_LIMIT: %w", err)
	}
	if cfg.CallTimeout, err = parseTimeout(get("RELABEL_CALL_TIMEOUT", "")); err != nil {
		return cfg, fmt.Errorf("RELABEL_CALL_TIMEOUT: %w", err)
	}
	return cfg, nil
}

func parseTimeout(s string) (time.Duration, error) {
	if s == "" {
		return defaultCallTimeout, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < minCallTimeout || d > maxCallTimeout {
		return 0, fmt.Errorf("%q is not a time from %s to %s, such as 30s", s, minCallTimeout, maxCallTimeout)
	}
	return d, nil
}

// ErrNoToken says that no token is set.
var ErrNoToken = errors.New("no Webflow token")

// TokenSource names where a site's token is: an environment variable or a
// file. Both empty: WEBFLOW_TOKEN, else the file named by WEBFLOW_TOKEN_FILE.
type TokenSource struct {
	Env, File string
}

// Token reads a token. It is kept in nothing but memory. The error names the
// variable or the file, and never what it holds.
func (c Config) Token(src TokenSource) (webflow.Token, error) {
	switch {
	case src.File != "":
		return tokenFile(src.File)
	case src.Env != "":
		return c.tokenEnv(src.Env)
	}
	if v, ok := c.lookup("WEBFLOW_TOKEN"); ok && v != "" {
		return c.tokenEnv("WEBFLOW_TOKEN")
	}
	if path, ok := c.lookup("WEBFLOW_TOKEN_FILE"); ok && path != "" {
		return tokenFile(path)
	}
	return webflow.Token{}, fmt.Errorf("%w: set WEBFLOW_TOKEN, or WEBFLOW_TOKEN_FILE to a file that holds it", ErrNoToken)
}

func (c Config) tokenEnv(name string) (webflow.Token, error) {
	v, ok := c.lookup(name)
	if !ok || v == "" {
		return webflow.Token{}, fmt.Errorf("%w: the variable %s is not set", ErrNoToken, name)
	}
	t, err := webflow.NewToken(v)
	if err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func tokenFile(path string) (webflow.Token, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return webflow.Token{}, fmt.Errorf("%w: the token file can't be read: %w", ErrNoToken, err)
	}
	t, err := webflow.NewToken(string(text))
	if err != nil {
		return t, fmt.Errorf("token file %s: %w", path, err)
	}
	return t, nil
}

// Rate is a limit on calls.
type Rate = db.Rate

// ParseRate reads WEBFLOW_RATE_LIMIT, or a site's own limit.
func ParseRate(s string) (Rate, error) { return db.ParseRate(s) }
