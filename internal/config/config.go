// Package config reads relabel's settings from the environment, and holds their
// defaults.
//
// A command calls Read once, at its start, and gets a checked Config. A variable that
// is empty counts as not set, because compose files set variables to nothing.
//
//	DATABASE_URL          Config.DatabaseURL; default: the private PostgreSQL
//	DATABASE_PASSWORD_FILE
//	                      the password in Config.DatabaseURL
//	RELABEL_STATE_DIR     Config.StateDir; default: chosen by package embedpg
//	RELABEL_SOURCE_URL    Config.SourceURL
//	RELABEL_CALL_TIMEOUT  Config.CallTimeout; default 30s
//	RELABEL_LOG_FORMAT    Config.LogJSON; default: text
//	WEBFLOW_API_URL       Config.APIURL; default webflow.DefaultBaseURL
//	WEBFLOW_RATE_LIMIT    Config.Rate and Config.RateGiven; default: learned from the API
//	WEBFLOW_TOKEN, WEBFLOW_TOKEN_FILE
//	                      Config.Token, which also reads the variable or the file of a site
//	RELABEL_NOTIFY_SECRET, RELABEL_NOTIFY_ALLOW_PRIVATE, RELABEL_NOTIFY_HEADERS,
//	RELABEL_SMTP_PASSWORD Config.Notify (notify.go)
//	RELABEL_API_HOSTS, RELABEL_TOKEN_ENV, RELABEL_TOKEN_DIRS, RELABEL_SOURCE_ENV,
//	RELABEL_SOURCE_DIRS   what stored settings may name (trust.go, folders.go)
//
// CommandEnv is the environment for commands, without what is relabel's own.
//
// Two kinds of variables are read where they are used: RELABEL_LOG (package cli), and
// those that a schedule looks up at each run (package schedule).
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/webflow"
)

const (
	defaultCallTimeout = 30 * time.Second

	minCallTimeout = time.Second // hardly any answer arrives sooner
	maxCallTimeout = db.MaxCallTime
)

// Config is the checked environment.
type Config struct {
	DatabaseURL string // empty: the private PostgreSQL
	StateDir    string // of the private PostgreSQL; empty: its default
	SourceURL   string // the database that --sql reads from
	APIURL      string
	Rate        Rate
	RateGiven   bool // WEBFLOW_RATE_LIMIT is set
	CallTimeout time.Duration
	LogJSON     bool    // log lines are JSON objects, not text
	TokenDirs   Folders // of the files that sites name for their tokens
	SourceDirs  Folders // of the files that schedules read
	Notify      Notify

	env environment
}

// Read reads and checks the environment. lookup is os.LookupEnv, or a test's own.
func Read(lookup func(string) (string, bool)) (Config, error) {
	env := environment(lookup)
	rate := env.get("WEBFLOW_RATE_LIMIT")
	cfg := Config{
		DatabaseURL: env.get("DATABASE_URL"),
		StateDir:    env.get("RELABEL_STATE_DIR"),
		SourceURL:   env.get("RELABEL_SOURCE_URL"),
		APIURL:      cmp.Or(env.get("WEBFLOW_API_URL"), webflow.DefaultBaseURL),
		RateGiven:   rate != "",
		TokenDirs:   env.tokenDirs(),
		SourceDirs:  env.sourceDirs(),
		env:         env,
	}
	var err error
	if cfg.Notify, err = env.notify(); err != nil {
		return cfg, err
	}
	if cfg.DatabaseURL, err = withPassword(cfg.DatabaseURL, env.get("DATABASE_PASSWORD_FILE")); err != nil {
		return cfg, fmt.Errorf("DATABASE_PASSWORD_FILE: %w", err)
	}
	if cfg.Rate, err = ParseRate(rate); err != nil {
		return cfg, fmt.Errorf("WEBFLOW_RATE_LIMIT: %w", err)
	}
	if err = webflow.CheckURL(cfg.APIURL); err != nil {
		return cfg, fmt.Errorf("WEBFLOW_API_URL: %w", err)
	}
	if v := env.get("RELABEL_LOG"); v != "" && v != "debug" {
		return cfg, fmt.Errorf("RELABEL_LOG is debug or not set, not %q", v)
	}
	if cfg.LogJSON, err = parseLogFormat(env.get("RELABEL_LOG_FORMAT")); err != nil {
		return cfg, fmt.Errorf("RELABEL_LOG_FORMAT: %w", err)
	}
	if cfg.CallTimeout, err = parseTimeout(env.get("RELABEL_CALL_TIMEOUT")); err != nil {
		return cfg, fmt.Errorf("RELABEL_CALL_TIMEOUT: %w", err)
	}
	return cfg, nil
}

type environment func(string) (string, bool)

// get returns "" for a variable that is empty or not set.
func (e environment) get(name string) string {
	v, _ := e(name)
	return v
}

// withPassword puts the password in a file into a database's URL, where it may hold
// any character. Errors never hold the URL or the password.
func withPassword(database, file string) (string, error) {
	if file == "" {
		return database, nil
	}
	u, err := url.Parse(database)
	if err != nil || u.Host == "" || u.User == nil {
		return "", errors.New("DATABASE_URL must look like postgres://USER@HOST:PORT/DATABASE")
	}
	if _, given := u.User.Password(); given {
		return "", errors.New("DATABASE_URL holds a password too: leave one of them out")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the password file can't be read: %w", err)
	}
	u.User = url.UserPassword(u.User.Username(), strings.TrimRight(string(text), "\r\n"))
	return u.String(), nil
}

func parseLogFormat(s string) (isJSON bool, err error) {
	if s != "" && s != "text" && s != "json" {
		return false, fmt.Errorf("%q is neither text nor json", s)
	}
	return s == "json", nil
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

// ErrBadToken means that a token's variable or file holds no token.
var ErrBadToken = errors.New("not a token")

// badToken marks why a token is wrong. The reason says enough to a person.
type badToken struct{ error }

func (badToken) Is(target error) bool { return target == ErrBadToken }

// ErrNoToken means that no token is set, or that its file can't be read.
var ErrNoToken = errors.New("no Webflow token")

// TokenSource names the environment variable or the file that holds a site's token.
// If both are empty, it is WEBFLOW_TOKEN, or else the file named by
// WEBFLOW_TOKEN_FILE.
type TokenSource struct {
	Env, File string
}

// Token reads a site's token, if the environment allows its source. Errors name the
// variable or the file, and never its content.
func (c Config) Token(src TokenSource) (webflow.Token, error) {
	switch {
	case src.File != "":
		return tokenFile(src.File, c.TokenDirs.Open)
	case src.Env != "":
		if err := c.AllowTokenEnv(src.Env); err != nil {
			return webflow.Token{}, err
		}
		return c.tokenEnv(src.Env)
	}
	if c.env.get("WEBFLOW_TOKEN") != "" {
		return c.tokenEnv("WEBFLOW_TOKEN")
	}
	if path := c.env.get("WEBFLOW_TOKEN_FILE"); path != "" {
		return tokenFile(path, os.Open)
	}
	return webflow.Token{}, fmt.Errorf("%w: set WEBFLOW_TOKEN, or WEBFLOW_TOKEN_FILE to a file that holds it", ErrNoToken)
}

func (c Config) tokenEnv(name string) (webflow.Token, error) {
	v := c.env.get(name)
	if v == "" {
		return webflow.Token{}, fmt.Errorf("%w: the variable %s is not set", ErrNoToken, name)
	}
	t, err := webflow.NewToken(v)
	if err != nil {
		return t, badToken{fmt.Errorf("%s: %w", name, err)}
	}
	return t, nil
}

// maxTokenFile is far above the size of any token.
const maxTokenFile = 64 << 10

func tokenFile(path string, open func(string) (*os.File, error)) (webflow.Token, error) {
	f, err := open(path)
	if err != nil {
		return webflow.Token{}, fmt.Errorf("%w: the token file can't be read: %w", ErrNoToken, err)
	}
	defer f.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return webflow.Token{}, fmt.Errorf("%w: the token file can't be read: %w", ErrNoToken, err)
	}
	t, err := webflow.NewToken(string(text))
	if err != nil {
		return t, badToken{fmt.Errorf("token file %s: %w", path, err)}
	}
	return t, nil
}

// Rate is a rate limit.
type Rate = db.Rate

// ParseRate parses WEBFLOW_RATE_LIMIT, or the limit that is set for a site.
func ParseRate(s string) (Rate, error) { return db.ParseRate(s) }
