package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
)

// Variables with which the owner of a process decides what stored settings may use.
// Whoever can write to the database can store any address, name or path, so each is
// checked here at every use.
const (
	apiHostsVar   = "RELABEL_API_HOSTS"
	tokenEnvVar   = "RELABEL_TOKEN_ENV"  //nolint:gosec // the variable's name
	tokenDirsVar  = "RELABEL_TOKEN_DIRS" //nolint:gosec // the variable's name
	sourceEnvVar  = "RELABEL_SOURCE_ENV" //nolint:gosec // the variable's name
	sourceDirsVar = "RELABEL_SOURCE_DIRS"
)

// The patterns that the names of variables must match by default.
const (
	defaultTokenEnv  = "*WEBFLOW_TOKEN*" //nolint:gosec // a pattern of names
	defaultSourceEnv = "*SOURCE_URL*"
)

// ErrNotAllowed means that a stored setting names an address, a variable or a file
// that the environment of this process does not allow.
var ErrNotAllowed = errors.New("not allowed")

// SiteURL returns the API's address for a site that stores an address of its own, or
// WEBFLOW_API_URL if stored is empty. The token goes there, so its host must be the one
// of WEBFLOW_API_URL or be listed in RELABEL_API_HOSTS.
func (c Config) SiteURL(stored string) (string, error) {
	if stored == "" {
		return c.APIURL, nil
	}
	host := urlHost(stored)
	allowed := append(c.env.list(apiHostsVar), urlHost(c.APIURL))
	if host != "" && slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
		return stored, nil
	}
	return "", fmt.Errorf("%w: the token is not sent to the host %q; to allow it, set %s=%s where relabel runs, or remove the site's --api-url",
		ErrNotAllowed, host, apiHostsVar, host)
}

// urlHost is the host of a URL, with the port unless it is the scheme's own.
func urlHost(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if u.Scheme == scheme {
			return strings.TrimSuffix(u.Host, port)
		}
	}
	return u.Host
}

// AllowTokenEnv checks the name of the variable that a site's token is read from.
// Without this, a stored name could make any secret of the process a token.
func (c Config) AllowTokenEnv(name string) error {
	return c.allowName(name, tokenEnvVar, defaultTokenEnv)
}

// AllowSourceEnv checks the name of the variable that holds a source's URL.
func (c Config) AllowSourceEnv(name string) error {
	return c.allowName(name, sourceEnvVar, defaultSourceEnv)
}

// CommandEnv is the environment of this process for a command that writes a CSV: without
// the tokens and addresses that are relabel's own, whatever their variables are called.
// PGPASSWORD may be the password of DATABASE_URL.
func (c Config) CommandEnv() (env []string) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		name = strings.ToUpper(name) // Windows does not tell them apart
		own := name == "PGPASSWORD" || name == "CREDENTIALS_DIRECTORY"
		for _, prefix := range []string{"WEBFLOW_", "RELABEL_", "DATABASE_"} {
			own = own || strings.HasPrefix(name, prefix)
		}
		if !own && c.AllowTokenEnv(name) != nil && c.AllowSourceEnv(name) != nil {
			env = append(env, pair)
		}
	}
	return env
}

func (c Config) allowName(name, variable, otherwise string) error {
	patterns := c.env.list(variable)
	if len(patterns) == 0 {
		patterns = []string{otherwise}
	}
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: the variable %s does not match %s; rename it, or set %s to a pattern for it where relabel runs",
		ErrNotAllowed, name, strings.Join(patterns, " or "), variable)
}

// list splits a variable at its commas.
func (e environment) list(name string) (list []string) {
	for part := range strings.SplitSeq(e.get(name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
