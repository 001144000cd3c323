package intake

import (
	"context"
	"fmt"
	neturl "net/url"
	"slices"
	"strings"
)

// newCursor connects to the database that a source's URL names. Errors hold no URL, since it may hold a password.
func newCursor(ctx context.Context, params SQLParams) (cursor, error) {
	var e *engine
	var err error
	switch scheme(params.URL) {
	case "mysql":
		e, err = mysqlEngine(params)
	case "sqlserver":
		e, err = sqlServerEngine(params)
	case "sqlite":
		e, err = sqliteEngine(params)
	default:
		return newPostgresCursor(ctx, params)
	}
	if err != nil {
		return nil, err
	}
	return newDBCursor(ctx, e)
}

// CheckStoredURL checks a source's URL before it is stored. A stored URL is not trusted.
func CheckStoredURL(url string) (err error) {
	switch scheme(url) {
	case "mysql":
		_, err = mysqlConfig(url)
	case "sqlserver":
		_, err = sqlServerConfig(url)
	case "sqlite":
		_, err = sqlitePath(url, true)
	default:
		_, err = sourceConfig(url, true)
	}
	return err
}

func scheme(url string) string {
	before, _, _ := strings.Cut(url, ":")
	return strings.ToLower(before)
}

// serverURL parses the URL of a MySQL or an SQL Server. Only the settings that are listed may follow it: the drivers know
// others, which read files or send passwords in clear text.
func serverURL(url, example string, settings ...string) (*neturl.URL, error) {
	u, err := neturl.Parse(url)
	if err == nil {
		_, err = neturl.ParseQuery(u.RawQuery) // u.Query leaves out what it can't read
	}
	if err != nil || u.Opaque != "" || u.Host == "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: it should look like %s, with special characters of the password as %%XX", ErrSourceURL, example)
	}
	// A driver would log in as the account that runs relabel.
	if u.User.Username() == "" {
		return nil, fmt.Errorf("%w: it names no user; it should look like %s", ErrSourceURL, example)
	}
	for key := range u.Query() {
		if !slices.Contains(settings, key) {
			return nil, fmt.Errorf("%w: it has the setting %s; after the question mark relabel knows %s",
				ErrSourceURL, quote(key), strings.Join(settings, ", "))
		}
	}
	return u, nil
}
