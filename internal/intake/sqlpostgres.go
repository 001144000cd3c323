package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgCursor reads from a PostgreSQL, in one read-only transaction.
//
// Three things keep the query from changing the source. It goes out as the body of a cursor in the extended protocol, which
// takes one statement and no more. A cursor takes only a SELECT without data-modifying parts. And the transaction is read-only.
type pgCursor struct {
	conn   *pgx.Conn
	params SQLParams
	warn   string
}

func newPostgresCursor(ctx context.Context, params SQLParams) (cursor, error) {
	conn, err := connectSource(ctx, params)
	if err != nil {
		return nil, err
	}
	return &pgCursor{conn: conn, params: params}, nil
}

func (c *pgCursor) start(ctx context.Context, query string) error {
	_, err := c.conn.PgConn().Exec(ctx, fmt.Sprintf(`
		BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		SET LOCAL statement_timeout = %d;
		SET LOCAL lock_timeout = %d;
		SET LOCAL idle_in_transaction_session_timeout = %d`,
		c.params.FetchTimeout.Milliseconds(), sqlConnectTimeout.Milliseconds(), sqlIdleTimeout.Milliseconds())).ReadAll()
	if err != nil {
		return err
	}
	if err := c.checkRole(ctx); err != nil {
		return err
	}
	// The line break ends a comment that may be the end of the query.
	sql := "DECLARE relabel_source NO SCROLL CURSOR WITHOUT HOLD FOR " + query + "\n"
	return c.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read().Err
}

// checkRole warns of a role that could write. Although the transaction is read-only, a function that the query calls may
// still write through another connection, as dblink does.
func (c *pgCursor) checkRole(ctx context.Context) error {
	var could bool
	err := c.conn.QueryRow(ctx, `
		SELECT current_setting('is_superuser') = 'on' OR EXISTS (
			SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
				AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))`).Scan(&could)
	if could {
		c.warn = mayWrite
	}
	return err
}

// mayWrite is the warning of all databases that know roles.
const mayWrite = "the source's role may write: relabel reads in a read-only transaction, but a role that can only SELECT is safer"

func (c *pgCursor) fetch(ctx context.Context) (names []string, rows [][]string, err error) {
	reader := c.conn.PgConn().ExecParams(ctx, fmt.Sprintf("FETCH FORWARD %d FROM relabel_source", sqlFetch), nil, nil, nil, nil)
	for reader.NextRow() {
		var row []string
		for _, value := range reader.Values() {
			row = append(row, string(value))
		}
		rows = append(rows, row)
	}
	for _, f := range reader.FieldDescriptions() { // also there if there are no rows
		names = append(names, f.Name)
	}
	_, err = reader.Close()
	return names, rows, err
}

func (c *pgCursor) fault(err error) fault {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fault{}
	}
	kind, known := map[string]faultKind{
		"42601": faultSyntax, // syntax_error: also more than one statement
		"25006": faultWrites, // read_only_sql_transaction
		"0A000": faultWrites, // feature_not_supported
		"57014": faultSlow,   // query_canceled
		"42501": faultDenied, // insufficient_privilege
	}[pgErr.Code]
	if !known {
		kind = faultFailed
	}
	return fault{kind, pgErr.Message, pgErr.Code}
}

func (c *pgCursor) warning() string { return c.warn }

// close ends the transaction with its connection.
func (c *pgCursor) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), sqlConnectTimeout)
	defer cancel()
	return c.conn.Close(ctx)
}
