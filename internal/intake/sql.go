package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"
)

const (
	// sqlFetch is how many rows one fetch brings: enough that the round trip costs nothing per row, and a fraction of a MiB.
	sqlFetch = 1000

	// sqlConnectTimeout limits connecting to the source, and sqlFetchTimeout each fetch. A query that sorts millions of rows
	// takes minutes before its first row; one that never ends must not hold a load for ever.
	sqlConnectTimeout = 15 * time.Second
	sqlFetchTimeout   = 10 * time.Minute

	// sqlGrace is what a fetch may take beyond that, for the server's own message to arrive.
	sqlGrace = 10 * time.Second

	// sqlIdleTimeout makes the source's server end our transaction if this process dies or hangs.
	sqlIdleTimeout = 10 * time.Minute
)

// SQLParams says what to read, and where.
type SQLParams struct {
	URL   string            // of a PostgreSQL, MySQL, MariaDB or SQL Server, or sqlite:FILE
	Safe  bool              // the URL is not trusted: it may name no file that Open refuses
	Query string            // one SELECT that yields the columns
	Map   map[string]string // our column to the query's, from ParseMap

	Open func(path string) (*os.File, error) // decides which SQLite files may be read; nil: os.Open

	FetchTimeout time.Duration // default 10 min
}

// SQL reads the rows of one query, on a connection of its own that can't change the source. It is not safe for concurrent
// use.
type SQL struct {
	table
	params SQLParams
	cursor cursor
	first  [][]string // fetched to learn the columns
	row    int64
}

// cursor reads the result of one query. There is one for PostgreSQL, and one for the databases of database/sql.
type cursor interface {
	// start runs the query, which can change nothing.
	start(ctx context.Context, query string) error
	// fetch returns the next rows as text, with NULL as the empty string, and after the last ones no rows.
	fetch(ctx context.Context) (names []string, rows [][]string, err error)
	// fault reports what the database says of the query.
	fault(err error) fault
	warning() string
	close() error
}

// fault is an error of a database, in terms of what the user can do about it.
type fault struct {
	kind faultKind
	text string // the database's own message
	code string
}

type faultKind int

const (
	faultLost   faultKind = iota // no message of the database: the connection broke
	faultFailed                  // any other message
	faultSyntax                  // also several statements
	faultWrites
	faultDenied
	faultSlow
)

// OpenSQL connects, starts the query and checks its columns. It reports what is wrong with the query as a whole, before
// anything is written.
func OpenSQL(ctx context.Context, params SQLParams) (*SQL, error) {
	params.Query = strings.TrimRight(strings.TrimSpace(params.Query), "; \t\r\n")
	if params.Query == "" {
		return nil, errors.New("the query is empty: give a SELECT that yields asset_id and display_name")
	}
	if params.FetchTimeout == 0 {
		params.FetchTimeout = sqlFetchTimeout
	}
	if params.Open == nil {
		params.Open = os.Open
	}
	cursor, err := newCursor(ctx, params)
	if err != nil {
		return nil, err
	}
	s := &SQL{params: params, cursor: cursor}
	if err := s.begin(ctx); err != nil {
		s.Close() //nolint:errcheck // the first error counts
		return nil, err
	}
	return s, nil
}

// begin starts the query and fetches its first rows.
func (s *SQL) begin(ctx context.Context) error {
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	if err := s.cursor.start(ctx, s.params.Query); err != nil {
		return s.queryError(err)
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

// withDeadline bounds a fetch by our own clock. The server's own limit usually ends
// it first, with a better message, but the query itself can lift that.
func (s *SQL) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.params.FetchTimeout+min(s.params.FetchTimeout, sqlGrace))
}

func (s *SQL) fetch(ctx context.Context) (names []string, rows [][]string, err error) {
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	if names, rows, err = s.cursor.fetch(ctx); err != nil {
		return nil, nil, s.queryError(err)
	}
	return names, rows, nil
}

// queryError adds to the database's message what it means here.
func (s *SQL) queryError(err error) error {
	switch {
	case isRefusal(err), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return s.tooLong()
	}
	f := s.cursor.fault(err)
	text := Clean(f.text)
	switch f.kind {
	case faultLost:
		return fmt.Errorf("the connection to the source was lost after row %d: run it again", s.row)
	case faultSyntax:
		return fmt.Errorf("the query was refused: %s; give one SELECT and nothing else", text)
	case faultWrites:
		return fmt.Errorf("the query was refused: %s; relabel only reads: give a SELECT that changes nothing", text)
	case faultDenied:
		return fmt.Errorf("the query was refused: %s; grant the role SELECT on it", text)
	case faultSlow:
		return s.tooLong()
	}
	return fmt.Errorf("the query failed: %s (%s)", text, f.code)
}

// refusal is why a query is not even sent.
type refusal string

func (e refusal) Error() string { return string(e) }

func isRefusal(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
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
	v := s.validator(len(records))
	rows := make([]Row, len(records))
	for i, record := range records {
		s.row++
		rows[i].Line = s.row
		c := s.header.pick(record)
		refuseBytes(&rows[i], &c)
		v.fill(&rows[i], &c)
	}
	return rows
}

// Info describes the query's columns.
func (s *SQL) Info() Info { return s.header.info() }

// Warning is what a person should know about the source, or empty.
func (s *SQL) Warning() string { return s.cursor.warning() }

// Close ends the query and its connection.
func (s *SQL) Close() error { return s.cursor.close() }

// refuseBytes refuses what is no text: a BLOB, or a column that holds another encoding than it says.
func refuseBytes(row *Row, c *cells) {
	for col, cell := range c {
		if at := invalidUTF8(cell); at >= 0 {
			row.refuse(column(col), cell, fmt.Sprintf("byte %d is 0x%02X, which is not UTF-8: the column is not text, or has another encoding; convert it in the query", at+1, cell[at]))
		}
	}
}
