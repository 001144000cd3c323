package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// sqlFetch is how many rows one FETCH brings: enough that the round trip costs nothing per row, and a fraction of a MiB.
	sqlFetch = 1000

	// sqlConnectTimeout limits connecting to the source, and sqlFetchTimeout each FETCH. A query that sorts millions of rows
	// takes minutes before its first row; one that never ends must not hold a load for ever.
	sqlConnectTimeout = 15 * time.Second
	sqlFetchTimeout   = 10 * time.Minute

	// sqlGrace is what a FETCH may take beyond that, for the server's own message to arrive.
	sqlGrace = 10 * time.Second

	// sqlIdleTimeout makes the source's server end our transaction if this process dies or hangs.
	sqlIdleTimeout = 10 * time.Minute
)

// SQLParams says what to read, and where.
type SQLParams struct {
	URL   string            // of a PostgreSQL
	Safe  bool              // the URL is not trusted: it may name no file of this machine
	Query string            // one SELECT that yields the columns
	Map   map[string]string // our column to the query's, from ParseMap

	FetchTimeout time.Duration // default 10 min
}

// SQL reads the rows of one query, in one read-only transaction on a connection of its own. It is not safe for
// concurrent use.
//
// Three things keep the query from changing the source. It goes out as the body of a cursor in the extended protocol, which
// takes one statement and no more. A cursor takes only a SELECT without data-modifying parts. And the transaction is read-only.
type SQL struct {
	table
	params SQLParams
	conn   *pgx.Conn
	first  [][]string // fetched to learn the columns
	warn   string
	row    int64
}

// OpenSQL connects, starts the query and checks its columns. It reports what is wrong with the query as a whole, before
// anything is written.
func OpenSQL(ctx context.Context, params SQLParams) (*SQL, error) {
	if params.FetchTimeout == 0 {
		params.FetchTimeout = sqlFetchTimeout
	}
	conn, err := connectSource(ctx, params)
	if err != nil {
		return nil, err
	}
	s := &SQL{params: params, conn: conn}
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		s.Close() //nolint:errcheck // the first error counts
		return nil, err
	}
	return s, nil
}

func (s *SQL) begin(ctx context.Context) error {
	_, err := s.conn.PgConn().Exec(ctx, fmt.Sprintf(`
		BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		SET LOCAL statement_timeout = %d;
		SET LOCAL lock_timeout = %d;
		SET LOCAL idle_in_transaction_session_timeout = %d`,
		s.params.FetchTimeout.Milliseconds(), sqlConnectTimeout.Milliseconds(), sqlIdleTimeout.Milliseconds())).ReadAll()
	if err != nil {
		return fmt.Errorf("error preparing the source's connection: %w", err)
	}
	if err := s.checkRole(ctx); err != nil {
		return err
	}
	return s.declare(ctx)
}

// checkRole warns of a role that could write. Although the transaction is read-only, a function that the query calls may
// still write through another connection, as dblink does.
func (s *SQL) checkRole(ctx context.Context) error {
	var could bool
	err := s.conn.QueryRow(ctx, `
		SELECT current_setting('is_superuser') = 'on' OR EXISTS (
			SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
				AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))`).Scan(&could)
	if err != nil {
		return fmt.Errorf("error looking at the source's role: %w", err)
	}
	if could {
		s.warn = "the source's role may write: relabel reads in a read-only transaction, but a role that can only SELECT is safer"
	}
	return nil
}

// declare makes a cursor of the user's query and fetches its first rows.
func (s *SQL) declare(ctx context.Context) error {
	query := strings.TrimRight(strings.TrimSpace(s.params.Query), "; \t\r\n")
	if query == "" {
		return errors.New("the query is empty: give a SELECT that yields asset_id and display_name")
	}
	// The line break ends a comment that may be the end of the query.
	sql := "DECLARE relabel_source NO SCROLL CURSOR WITHOUT HOLD FOR " + query + "\n"
	if res := s.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read(); res.Err != nil {
		return s.queryError(res.Err)
	}
	names, rows, err := s.fetch(ctx)
	if err != nil {
		return err
	}
	mapped, err := mappedColumns(s.params.Map)
	if err != nil {
		return err
	}
	if s.header, err = resolveHeader(names, mapped); err != nil {
		return fmt.Errorf("the query's columns: %w", err)
	}
	s.first = rows
	if len(rows) == 0 {
		return errors.New("the query yields no rows: nothing to load")
	}
	return nil
}

// withDeadline bounds a FETCH by our own clock. The server's statement_timeout usually ends
// it first, with a better message, but the query itself can lift that.
func (s *SQL) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.params.FetchTimeout+min(s.params.FetchTimeout, sqlGrace))
}

// fetch returns the next rows as text, with NULL as the empty string.
func (s *SQL) fetch(ctx context.Context) (names []string, rows [][]string, err error) {
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	reader := s.conn.PgConn().ExecParams(ctx, fmt.Sprintf("FETCH FORWARD %d FROM relabel_source", sqlFetch), nil, nil, nil, nil)
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
	if _, err := reader.Close(); err != nil {
		return nil, nil, s.queryError(err)
	}
	return names, rows, nil
}

// queryError adds to PostgreSQL's message what it means here.
func (s *SQL) queryError(err error) error {
	var pgErr *pgconn.PgError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return s.tooLong()
	case !errors.As(err, &pgErr):
		return fmt.Errorf("the connection to the source was lost after row %d: run it again", s.row)
	}
	text := Clean(pgErr.Message)
	switch pgErr.Code {
	case "42601": // syntax_error: also more than one statement
		return fmt.Errorf("the query was refused: %s; give one SELECT and nothing else", text)
	case "25006", "0A000": // read_only_sql_transaction, feature_not_supported
		return fmt.Errorf("the query was refused: %s; relabel only reads: give a SELECT that changes nothing", text)
	case "57014": // query_canceled
		return s.tooLong()
	case "42501":
		return fmt.Errorf("the query was refused: %s; grant the role SELECT on it", text)
	}
	return fmt.Errorf("the query failed: %s (%s)", text, pgErr.Code)
}

func (s *SQL) tooLong() error {
	return fmt.Errorf("the query took longer than %s for its next rows: make it quicker, or store its result first", s.params.FetchTimeout)
}

// Chunks yields the validated rows in the query's order. It can be used once. An error comes last; it means that nothing of
// the query should be kept.
func (s *SQL) Chunks(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		rows := s.first
		s.first = nil
		for len(rows) > 0 {
			if !yield(s.validate(rows), nil) {
				return
			}
			var err error
			if _, rows, err = s.fetch(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func (s *SQL) validate(records [][]string) []Row {
	v := validator{locales: s.locales, texts: make([]string, 0, len(records))}
	rows := make([]Row, len(records))
	for i, record := range records {
		s.row++
		rows[i].Line = s.row
		c := s.header.pick(record)
		v.fill(&rows[i], &c)
	}
	return rows
}

// Info describes the query's columns.
func (s *SQL) Info() Info { return s.header.info() }

// Warning is what a person should know about the source, or empty.
func (s *SQL) Warning() string { return s.warn }

// Close ends the transaction with its connection.
func (s *SQL) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), sqlConnectTimeout)
	defer cancel()
	return s.conn.Close(ctx)
}
