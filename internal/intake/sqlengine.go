package intake

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// engine is what MySQL, SQLite and SQL Server do differently.
type engine struct {
	connector driver.Connector
	place     string // HOST:PORT or a file, for messages
	dialect   dialect
	tx        sql.TxOptions
	// prepare makes the connection read-only, as far as the database can, and limits its time. The warning is empty or
	// for the user.
	prepare func(ctx context.Context, conn *sql.Conn) (warning string, err error)
	fault   func(err error) fault
}

// dbCursor reads through database/sql. The rows stream: the driver holds a few of them, not the result.
//
// The query can't change the source: dialect.check takes one SELECT, the transaction is read-only where the database has
// that, and it is never committed.
type dbCursor struct {
	*engine
	db     *sql.DB
	conn   *sql.Conn
	rows   *sql.Rows
	names  []string           // of the columns
	cancel context.CancelFunc // ends the query
	warn   string
}

func newDBCursor(ctx context.Context, e *engine) (cursor, error) {
	db := sql.OpenDB(e.connector)
	ctx, cancel := context.WithTimeout(ctx, sqlConnectTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err == nil {
		return &dbCursor{engine: e, db: db, conn: conn, cancel: func() {}}, nil
	}
	_ = db.Close() // it has no connection
	if f := e.fault(err); f.kind != faultLost {
		return nil, fmt.Errorf("the source at %s refused the connection: %s", e.place, Clean(f.text))
	}
	return nil, fmt.Errorf("the source at %s can't be reached: check its URL, and that it is running", e.place)
}

func (c *dbCursor) start(ctx context.Context, query string) error {
	if err := c.dialect.check(query); err != nil {
		return err
	}
	// The query outlives this call, and ends early with the contexts of fetch.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	defer context.AfterFunc(ctx, cancel)()
	if err := c.query(own, query); err != nil {
		return endedBy(ctx, err)
	}
	return nil
}

func (c *dbCursor) query(ctx context.Context, query string) (err error) {
	if c.warn, err = c.prepare(ctx, c.conn); err != nil {
		return err
	}
	tx, err := c.conn.BeginTx(ctx, &c.tx)
	if err != nil {
		return err
	}
	// The line break ends a comment that may be the end of the query.
	if c.rows, err = tx.QueryContext(ctx, query+"\n"); err != nil {
		return err
	}
	c.names, err = c.rows.Columns()
	return err
}

// fetch ends a batch early if its rows are long.
func (c *dbCursor) fetch(ctx context.Context) (names []string, rows [][]string, err error) {
	defer context.AfterFunc(ctx, c.cancel)()
	cells, into := make([]sql.NullString, len(c.names)), make([]any, len(c.names))
	for i := range cells {
		into[i] = &cells[i]
	}
	for size := 0; len(rows) < sqlFetch && size < chunkBytes && c.rows.Next(); {
		if err := c.rows.Scan(into...); err != nil {
			return nil, nil, endedBy(ctx, err)
		}
		row := make([]string, len(cells))
		for i, cell := range cells {
			row[i] = cell.String
			size += len(cell.String)
		}
		rows = append(rows, row)
	}
	if err := endedBy(ctx, c.rows.Err()); err != nil {
		return nil, nil, err
	}
	if len(rows) == 0 && c.rows.NextResultSet() {
		return nil, nil, severalStatements
	}
	return c.names, rows, nil
}

// endedBy prefers why a query was ended to what the driver says of it.
func endedBy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *dbCursor) fault(err error) fault { return c.engine.fault(err) }

func (c *dbCursor) warning() string { return c.warn }

// close ends the query and its transaction, with their connection.
func (c *dbCursor) close() error {
	c.cancel()
	if c.rows != nil {
		_ = c.rows.Close() // was only read
	}
	_ = c.conn.Close() // as is its transaction
	return c.db.Close()
}
