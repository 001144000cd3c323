package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"relabel/internal/intake"
)

// Source is where rows come from: exactly one of Path, Input, SQL, SQLFile, Rule and Command.
type Source struct {
	Path    string    // of a CSV or a workbook
	Input   io.Reader // one that somebody else opened; InputName says what it is
	JSON    bool      // Input is a list of objects, see intake.JSON
	Sheet   string    // of a workbook; empty: the first visible one
	SQL     string    // a SELECT
	SQLFile string    // the path of one
	Rule    *Ruled    // a rule that was worked out
	URL     string    // of the database for SQL and SQLFile
	SafeURL bool      // URL is not trusted, and may name no file that Open refuses
	Command string    // writes a CSV
	Shell   bool      // a shell runs Command
	Env     []string  // all that Command gets of the environment
	Map     string    // other names of columns, as intake.ParseMap reads them
	Empty   string    // a cell with this text empties an alt text; empty: intake.EmptyMarker

	InputName string

	Open func(path string) (*os.File, error) // opens Path, SQLFile and the SQLite file of URL; nil: os.Open
}

// Name is how messages and the batch call the source.
func (s Source) Name() string {
	switch {
	case s.Rule != nil:
		return s.Rule.Source()
	case s.Input != nil:
		return s.InputName
	case s.Path != "":
		return s.Path
	case s.SQLFile != "":
		return s.SQLFile
	case s.Command != "":
		return intake.CommandName(s.Command, s.Shell)
	}
	return "the query"
}

func (s Source) baseName() string { return filepath.Base(s.Name()) }

// rowSource is a file, a query, a rule or a command.
type rowSource interface {
	Chunks(ctx context.Context) iter.Seq2[[]intake.Row, error]
	Info() intake.Info
	Reads(column string) bool
	NamedBy() string // the column that names assets; empty: the rows have ids
	UseLocales(locales intake.LocaleResolver)
	UseEmpty(marker string)
	Close() error
}

func (p LoadParams) open(ctx context.Context) (rowSource, error) {
	if p.Source.Rule != nil {
		return ruleRows{p.Source.Rule}, nil
	}
	var mapping map[string]string
	if p.Source.Map != "" {
		var err error
		if mapping, err = intake.ParseMap(p.Source.Map); err != nil {
			return nil, &MapError{Err: err}
		}
	}
	params := intake.CSVParams{Name: p.Source.Name(), Map: mapping, Sheet: p.Source.Sheet, Open: p.Source.Open}
	switch {
	case p.Source.Input != nil && p.Source.JSON:
		return intake.NewJSON(p.Source.Input, params)
	case p.Source.Input != nil:
		return intake.NewFile(p.Source.Input, params)
	case p.Source.Path != "":
		return intake.OpenFile(p.Source.Path, params)
	case p.Source.Command != "":
		return intake.OpenCommand(ctx, intake.CommandParams{Line: p.Source.Command, Shell: p.Source.Shell, Env: p.Source.Env, CSV: params})
	}
	return p.openSQL(ctx, mapping)
}

// maxQuery is far above the length of any SELECT that people write.
const maxQuery = 1 << 20

func (s Source) readSQL() (string, error) {
	open := s.Open
	if open == nil {
		open = os.Open
	}
	f, err := open(s.SQLFile)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxQuery+1))
	if err == nil && len(text) > maxQuery {
		err = fmt.Errorf("%s is longer than %d MiB", s.SQLFile, maxQuery>>20)
	}
	return string(text), err
}

func (p LoadParams) openSQL(ctx context.Context, mapping map[string]string) (rowSource, error) {
	params := intake.SQLParams{URL: p.Source.URL, Safe: p.Source.SafeURL, Query: p.Source.SQL, Map: mapping, Open: p.Source.Open}
	if p.Source.SQLFile != "" {
		text, err := p.Source.readSQL()
		if err != nil {
			return nil, fmt.Errorf("the SQL file can't be read: %w", err)
		}
		params.Query = text
	}
	source, err := intake.OpenSQL(ctx, params)
	if err != nil {
		return nil, err
	}
	if w := source.Warning(); w != "" {
		p.Notice(errors.New(w))
	}
	return source, nil
}
