package intake

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	neturl "net/url"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

const sqlServerExample = "sqlserver://USER:PASSWORD@HOST:1433?database=DATABASE"

func sqlServerEngine(params SQLParams) (*engine, error) {
	cfg, err := sqlServerConfig(params.URL)
	if err != nil {
		return nil, err
	}
	return &engine{
		connector: mssql.NewConnectorConfig(cfg), place: sqlServerPlace(cfg),
		dialect: sqlServerDialect(), prepare: prepareSQLServer, fault: sqlServerFault,
	}, nil
}

// sqlServerConfig gives the driver only what the URL may say, which names no file. ApplicationIntent lets a server with
// copies answer from one of those, and needs a database.
func sqlServerConfig(url string) (msdsn.Config, error) {
	u, err := serverURL(url, sqlServerExample, "database", "encrypt", "trustservercertificate", "hostnameincertificate")
	if err != nil {
		return msdsn.Config{}, err
	}
	settings := u.Query()
	settings.Set("app name", "relabel source")
	settings.Set("dial timeout", fmt.Sprint(int(sqlConnectTimeout.Seconds())))
	if settings.Get("database") != "" {
		settings.Set("applicationintent", "ReadOnly")
	}
	given := neturl.URL{Scheme: "sqlserver", User: u.User, Host: u.Host, Path: u.Path, RawQuery: settings.Encode()}
	cfg, err := msdsn.Parse(given.String())
	if err != nil {
		return cfg, fmt.Errorf("%w: it should look like %s, and encrypt is true, strict, false or disable", ErrSourceURL, sqlServerExample)
	}
	return cfg, nil
}

func sqlServerPlace(cfg msdsn.Config) string {
	if cfg.Instance != "" {
		return cfg.Host + "/" + cfg.Instance
	}
	return net.JoinHostPort(cfg.Host, fmt.Sprint(cmp.Or(cfg.Port, 1433)))
}

// sqlServerDialect refuses the words that begin a statement which changes something: the server takes it after a SELECT
// without a semicolon. A column of such a name is written in brackets or quotes anyway.
func sqlServerDialect() dialect {
	return dialect{
		brackets: true, nested: true, starts: []string{"SELECT", "WITH"},
		refused: []string{
			"INTO", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP", "EXEC", "EXECUTE", "BEGIN", "COMMIT",
			"ROLLBACK", "SAVE", "SET", "DECLARE", "GRANT", "REVOKE", "DENY", "USE", "KILL", "SHUTDOWN", "BACKUP", "RESTORE", "DBCC",
			"RECONFIGURE", "UPDATETEXT", "WRITETEXT", "WAITFOR",
		},
	}
}

// prepareSQLServer warns of a role that could write. The server has no read-only transactions; that of the query is never
// committed.
func prepareSQLServer(ctx context.Context, conn *sql.Conn) (warning string, err error) {
	var could bool
	err = conn.QueryRowContext(ctx, `SELECT CAST(MAX(HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', p)) AS bit)
		FROM (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('EXECUTE')) AS permissions (p)`).Scan(&could)
	if err == nil {
		_, err = conn.ExecContext(ctx, fmt.Sprintf("SET LOCK_TIMEOUT %d", sqlConnectTimeout.Milliseconds()))
	}
	if could {
		warning = "the source's role may write: a role that can only SELECT is safer, because SQL Server has no read-only transactions"
	}
	return warning, err
}

func sqlServerFault(err error) fault {
	e, ok := errors.AsType[mssql.Error](err)
	if !ok {
		return fault{}
	}
	kind, known := map[int32]faultKind{
		102: faultSyntax, // incorrect syntax near ...
		156: faultSyntax, // incorrect syntax near the keyword ...
		229: faultDenied, // the permission was denied on the object
		230: faultDenied, // ... on the column
		916: faultDenied, // ... to the database
	}[e.Number]
	if !known {
		kind = faultFailed
	}
	return fault{kind, e.Message, fmt.Sprint(e.Number)}
}
