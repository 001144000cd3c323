package intake

import (
	"context"
	"errors"
	"fmt"
	neturl "net/url"
	"os/user"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/pg"
)

// connectSource leaves the URL out of its errors, since it may hold a password.
func connectSource(ctx context.Context, params SQLParams) (*pgx.Conn, error) {
	cfg, err := sourceConfig(params.URL, params.Safe)
	if err != nil {
		return nil, err
	}
	cfg.ConnectTimeout = sqlConnectTimeout
	cfg.RuntimeParams["application_name"] = "relabel source"
	pg.NoticeDead(&cfg.Config)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		return conn, nil
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return nil, fmt.Errorf("the source at %s:%d refused the connection: %s", cfg.Host, cfg.Port, Clean(pgErr.Message))
	}
	return nil, fmt.Errorf("the source at %s:%d can't be reached: check its URL, and that it is running", cfg.Host, cfg.Port)
}

var (
	// ErrSourceURL means that a source's URL is not one of a database that relabel reads.
	ErrSourceURL = errors.New("the source's URL can't be read")

	errPostgresURL = fmt.Errorf("%w: it should look like postgres://USER:PASSWORD@HOST:PORT/DATABASE, "+
		"without passfile and service (and the variable PGSERVICE must not be set), or be a URL of mysql, sqlserver or sqlite", ErrSourceURL)
	errUnsafeURL = errors.New("a stored source URL may hold host, port, user, dbname, sslmode and options of the session, but name no file: " +
		"put the URL into a variable of the worker, and name that with --source-env")
	errNoUser = errors.New("the source's URL names no user: it should look like postgres://USER:PASSWORD@HOST:PORT/DATABASE")
)

// safeKeys are the settings of a URL that is not trusted.
func safeKeys() []string {
	return []string{
		"host", "port", "user", "password", "database", "sslmode", "ssl", "sslsni", "sslnegotiation", "channel_binding", "require_auth",
		"connect_timeout", "target_session_attrs", "application_name", "options", "timezone", "search_path", "client_encoding",
	}
}

// sourceConfig parses a source's URL, or settings such as host=h user=u. The source may be
// anybody's server, so a password or a certificate that was meant for another one must not
// go there. pgx would fill gaps in the URL from PG* variables, ~/.pgpass and ~/.postgresql;
// here every gap is filled before, and files with passwords are not read.
func sourceConfig(url string, safe bool) (*pgx.ConnConfig, error) {
	if safe {
		options := pgx.ParseConfigOptions{ParseConfigOptions: pgconn.ParseConfigOptions{ConnStringAllowedKeys: safeKeys()}}
		if _, err := pgx.ParseConfigWithOptions(url, options); err != nil && strings.Contains(err.Error(), "ConnStringAllowedKeys") {
			return nil, errUnsafeURL
		}
	}
	name, err := user.Current()
	if err != nil {
		name = &user.User{}
	}
	cfg, err := pgx.ParseConfig(complete(url, name.Username))
	// The marks are there if what was added has not become part of another setting.
	if err != nil || cfg.RuntimeParams["relabel_from"] != "1" || cfg.RuntimeParams["relabel_to"] != "1" {
		return nil, errPostgresURL
	}
	if cfg.User == "" {
		return nil, errNoUser
	}
	for key, value := range cfg.RuntimeParams {
		if value == "" || strings.HasPrefix(key, "relabel_") {
			delete(cfg.RuntimeParams, key)
		}
	}
	return cfg, nil
}

type setting struct{ key, value string }

// gaps are the settings that pgx would take from the environment or from files, with the
// values that pgx has for them otherwise.
func gaps() []setting {
	return []setting{
		{"sslmode", ""},
		{"sslkey", ""},
		{"sslcert", ""},
		{"sslrootcert", ""},
		{"sslpassword", ""},
		{"sslcertmode", "allow"},
		{"sslsni", ""},
		{"sslnegotiation", ""},
		{"channel_binding", ""},
		{"require_auth", ""},
		{"min_protocol_version", ""},
		{"max_protocol_version", ""},
		{"target_session_attrs", "any"},
		{"connect_timeout", fmt.Sprint(sqlConnectTimeout.Seconds())},
		{"application_name", ""},
		{"options", ""},
		{"timezone", ""},
	}
}

// never are settings that read passwords from files. They come last, so they win. A URL
// with a service fails, since there is no file of services then.
func never() []setting {
	return []setting{{"relabel_from", "1"}, {"passfile", ""}, {"servicefile", ""}, {"relabel_to", "1"}}
}

// complete adds the gaps before the settings of the URL, where the URL's own come after
// them and win.
func complete(url, username string) string {
	place := []setting{{"user", username}, {"password", ""}, {"host", ""}, {"port", ""}, {"database", ""}}
	scheme, rest, isURL := strings.Cut(url, "://")
	if !isURL || scheme != "postgres" && scheme != "postgresql" {
		return keywords(append(place, gaps()...)) + " " + url + " " + keywords(never())
	}
	at, query := queryStart(rest)
	var missing []setting
	for i, given := range givenPlaces(rest[:at]) {
		if !given {
			missing = append(missing, place[i])
		}
	}
	pairs := []string{parameters(append(missing, gaps()...)), strings.Trim(query, "&"), parameters(never())}
	if pairs[1] == "" {
		pairs = append(pairs[:1], pairs[2])
	}
	return scheme + "://" + rest[:at] + "?" + strings.Join(pairs, "&")
}

func keywords(settings []setting) string {
	parts := make([]string, len(settings))
	for i, s := range settings {
		parts[i] = s.key + "='" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s.value) + "'"
	}
	return strings.Join(parts, " ")
}

func parameters(settings []setting) string {
	parts := make([]string, len(settings))
	for i, s := range settings {
		parts[i] = s.key + "=" + strings.ReplaceAll(neturl.QueryEscape(s.value), "+", "%20")
	}
	return strings.Join(parts, "&")
}

// queryStart splits what follows the scheme before its query. As in PostgreSQL's own
// parser, everything before an @ belongs to the user and the password.
func queryStart(rest string) (at int, query string) {
	start := 0
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		start = i + 1
	}
	if i := strings.IndexByte(rest[start:], '?'); i >= 0 {
		return start + i, rest[start+i+1:]
	}
	return len(rest), ""
}

var inBrackets = regexp.MustCompile(`\[[^]]*\]`)

// givenPlaces reports which of user, password, host, port and database a URL has before
// its query. There a setting can't be added in front: the query would win.
func givenPlaces(place string) [5]bool {
	var name, password string
	if i := strings.IndexAny(place, "@/"); i >= 0 && place[i] == '@' {
		name, password, _ = strings.Cut(place[:i], ":")
		place = place[i+1:]
	}
	hosts, database, _ := strings.Cut(place, "/")
	hosts = inBrackets.ReplaceAllString(hosts, "address")
	several := strings.Contains(hosts, ",")
	return [5]bool{
		name != "", password != "",
		several || hosts != "" && hosts[0] != ':',
		several || strings.Contains(hosts, ":"),
		database != "",
	}
}
