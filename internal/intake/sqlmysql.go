package intake

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"relabel/internal/pg"
)

const (
	mysqlExample = "mysql://USER:PASSWORD@HOST:3306/DATABASE" //nolint:gosec // the form of a URL

	// mysqlMaxTime ends a query on the server whose reader has gone. The server counts from the start of the query to its
	// last row, so this is far longer than one fetch may take.
	mysqlMaxTime = time.Hour
)

func mysqlEngine(params SQLParams) (*engine, error) {
	cfg, err := mysqlConfig(params.URL)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: it should look like %s", ErrSourceURL, mysqlExample)
	}
	return &engine{
		connector: connector, place: cfg.Addr, tx: sql.TxOptions{ReadOnly: true},
		dialect: dialect{backslash: true, starts: []string{"SELECT", "WITH", "VALUES", "TABLE"}, refused: []string{"INTO", "UPDATE", "LOCK"}},
		prepare: prepareMySQL, fault: mysqlFault,
	}, nil
}

// mysqlConfig has the driver's defaults for all but what the URL says. They read no files and no environment, and send no
// password in clear text.
func mysqlConfig(url string) (*mysql.Config, error) {
	u, err := serverURL(url, mysqlExample, "tls", "socket")
	if err != nil {
		return nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "3306"))
	cfg.DialFunc = pg.Dialer(sqlConnectTimeout).DialContext
	cfg.Logger = &mysql.NopLogger{}
	cfg.ConnectionAttributes = "program_name:relabel source"
	if socket := u.Query().Get("socket"); socket != "" {
		cfg.Net, cfg.Addr = "unix", socket
	}
	return cfg, mysqlTLS(cfg, u.Query())
}

// mysqlTLS encrypts by default if the server can, as with PostgreSQL.
func mysqlTLS(cfg *mysql.Config, settings neturl.Values) error {
	switch tls := cmp.Or(settings.Get("tls"), "preferred"); tls {
	case "true", "skip-verify", "preferred", "false":
		cfg.TLSConfig = tls
		return nil
	}
	return fmt.Errorf("%w: tls is true (with a valid certificate), skip-verify, preferred or false", ErrSourceURL)
}

// mayChange matches the privileges of SHOW GRANTS that can change something.
var mayChange = regexp.MustCompile(`(?i)^GRANT .*\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|FILE|SUPER)\b.* ON `)

func prepareMySQL(ctx context.Context, conn *sql.Conn) (warning string, err error) {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT @@version").Scan(&version); err != nil {
		return "", err
	}
	limit := fmt.Sprintf("max_execution_time = %d", mysqlMaxTime.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		limit = fmt.Sprintf("max_statement_time = %d", int(mysqlMaxTime.Seconds()))
	}
	// While a load waits, the server must not take us for dead after its default of a minute.
	_, err = conn.ExecContext(ctx, fmt.Sprintf("SET SESSION %s, SESSION net_write_timeout = %d, SESSION lock_wait_timeout = %d",
		limit, int(sqlIdleTimeout.Seconds()), int(sqlConnectTimeout.Seconds())))
	if err != nil {
		return "", err
	}
	return mysqlRole(ctx, conn)
}

// mysqlRole warns of a role that could write: a function that the query calls may still do so.
func mysqlRole(ctx context.Context, conn *sql.Conn) (warning string, err error) {
	rows, err := conn.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return "", err
	}
	defer rows.Close() //nolint:errcheck // only read from
	for rows.Next() {
		var grant string
		if err := rows.Scan(&grant); err != nil {
			return "", err
		}
		if mayChange.MatchString(grant) {
			warning = mayWrite
		}
	}
	return warning, rows.Err()
}

func mysqlFault(err error) fault {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return fault{}
	}
	kind, known := map[uint16]faultKind{
		1064: faultSyntax, // ER_PARSE_ERROR: also several statements
		1792: faultWrites, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
		1044: faultDenied, // ER_DBACCESS_DENIED_ERROR
		1142: faultDenied, // ER_TABLEACCESS_DENIED_ERROR
		1143: faultDenied, // ER_COLUMNACCESS_DENIED_ERROR
		1370: faultDenied, // ER_PROCACCESS_DENIED_ERROR
		1317: faultSlow,   // ER_QUERY_INTERRUPTED
		1969: faultSlow,   // ER_STATEMENT_TIMEOUT of MariaDB
		3024: faultSlow,   // ER_QUERY_TIMEOUT of MySQL
	}[e.Number]
	if !known {
		kind = faultFailed
	}
	return fault{kind, e.Message, fmt.Sprint(e.Number)}
}
