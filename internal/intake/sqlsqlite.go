package intake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	neturl "net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteBusy is how long a query waits, in milliseconds, while another program writes to the file.
const sqliteBusy = 15_000

func sqliteEngine(params SQLParams) (*engine, error) {
	path, err := sqlitePath(params.URL, params.Safe)
	if err != nil {
		return nil, err
	}
	file, err := params.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	info, err := file.Stat()
	_ = file.Close() // SQLite opens it itself; this was only to see whether it may
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: give the path of an SQLite file in it", path)
	}
	connector, err := sqlite.NewConnector(sqliteDSN(path))
	if err != nil {
		return nil, fmt.Errorf("error opening %s: %w", path, err)
	}
	return &engine{
		connector: connector, place: path,
		dialect: dialect{brackets: true, starts: []string{"SELECT", "WITH", "VALUES"}},
		prepare: prepareSQLite, fault: sqliteFault,
	}, nil
}

// sqlitePath takes sqlite:FILE, and sqlite:///FILE as other programs write it. A stored path must not depend on the folder
// in which a worker is started.
func sqlitePath(url string, stored bool) (string, error) {
	_, path, _ := strings.Cut(url, ":")
	if strings.HasPrefix(path, "///") {
		path = path[len("//"):]
	}
	switch {
	case path == "":
		return "", fmt.Errorf("%w: it should look like sqlite:FILE", ErrSourceURL)
	case stored && !filepath.IsAbs(path):
		return "", fmt.Errorf("%w: a stored URL holds the whole path, such as sqlite:/srv/names.db", ErrSourceURL)
	}
	return path, nil
}

// sqliteDSN opens the file for reading only.
func sqliteDSN(path string) string {
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" { // C:/names.db
		path = "/" + path
	}
	settings := fmt.Sprintf("mode=ro&_pragma=busy_timeout(%d)&_pragma=query_only(1)", sqliteBusy)
	return "file:" + strings.ReplaceAll((&neturl.URL{Path: path}).EscapedPath(), "&", "%26") + "?" + settings
}

// prepareSQLite lets the connection only read this file. Without it a query could attach others.
func prepareSQLite(_ context.Context, conn *sql.Conn) (warning string, err error) {
	return "", conn.Raw(func(driver any) error {
		c, ok := driver.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the SQLite driver has no authorizer")
		}
		return c.RegisterAuthorizer(func(action sqlite.AuthorizerActionCode, _, _, _, _ string) sqlite.AuthorizerReturnCode {
			switch action {
			case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthFunction, sqlite.AuthRecursive, sqlite.AuthTransaction:
				return sqlite.AuthorizerOK
			}
			return sqlite.AuthorizerDeny
		})
	})
}

func sqliteFault(err error) fault {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fault{faultFailed, err.Error(), "SQLite"}
	}
	kind := faultFailed
	switch e.Code() & 0xff { // without the details of the extended code
	case sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY:
		kind = faultWrites
	case sqlite3.SQLITE_INTERRUPT:
		kind = faultSlow
	}
	code := fmt.Sprint(e.Code())
	return fault{kind, strings.TrimSuffix(e.Error(), " ("+code+")"), code}
}
