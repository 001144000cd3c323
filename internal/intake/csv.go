package intake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
)

// ErrNoRows says that a file has a header and nothing below it.
var ErrNoRows = errors.New("has a header but no rows below it: nothing to load")

// CSVParams says how to read a CSV.
type CSVParams struct {
	Name    string            // for messages; OpenCSV takes the path
	Map     map[string]string // our column to the header in the file, from ParseMap
	Locales LocaleResolver    // nil: only ids are understood; see also UseLocales
	Workers int               // goroutines that validate; 0 for one per processor
}

// Info tells what a CSV turned out to be.
type Info struct {
	Encoding  string   `json:"encoding"`
	Gzip      bool     `json:"gzip"`
	Separator string   `json:"separator"`
	Header    []string `json:"header"`
	Columns   []string `json:"columns"`  // those of Columns() that are read
	Ignored   []string `json:"ignored"`  // headers nothing is read from; tell the user
	Exported  bool     `json:"exported"` // relabel's own export: formula quotes are taken off again
}

// CSV reads one CSV. It is not safe for concurrent use.
type CSV struct {
	params  CSVParams
	text    text
	header  header
	records *records
	file    *os.File // nil when the caller owns the reader
	started bool
	size    int // text of the last chunk, to make room for the next
}

// NewCSV reads the header of a CSV; whatever is wrong with the file as a whole is told here, as far as its first rows show it.
// The reader stays the caller's.
func NewCSV(r io.Reader, params CSVParams) (*CSV, error) {
	if params.Name == "" {
		params.Name = "standard input"
	}
	if params.Workers <= 0 {
		params.Workers = runtime.GOMAXPROCS(0)
	}
	c := &CSV{params: params}
	if err := c.open(r); err != nil {
		return nil, c.named(err)
	}
	return c, nil
}

func (c *CSV) open(r io.Reader) error {
	mapped, err := mappedColumns(c.params.Map)
	if err != nil {
		return err
	}
	if c.text, err = decode(r); err != nil {
		return err
	}
	c.records = newRecords(c.text, c.text.offset)
	if c.header, err = readHeader(c.records, mapped, c.text.encoding); errors.Is(err, io.EOF) {
		return errEmpty
	} else if err != nil {
		return err
	}
	if err = skipBlank(c.records); errors.Is(err, io.EOF) {
		return ErrNoRows
	}
	return err
}

// named puts the file's name before an error, once.
func (c *CSV) named(err error) error {
	switch {
	case errors.Is(err, errEmpty), errors.Is(err, ErrNoRows):
		return fmt.Errorf("%s %w", c.params.Name, err)
	}
	return fmt.Errorf("%s: %w", c.params.Name, err)
}

// Close closes the file that OpenCSV opened.
func (c *CSV) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// Info tells what the file turned out to be.
func (c *CSV) Info() Info {
	info := c.header.info()
	info.Encoding, info.Gzip, info.Separator = c.text.encoding, c.text.gzip, string(c.records.sep)
	return info
}

// Reads tells whether the file has one of Columns(), by name or by mapping.
func (c *CSV) Reads(name string) bool { return slices.Contains(c.Info().Columns, name) }

// UseLocales sets the resolver once the header has shown whether one is wanted. It must come before Chunks.
func (c *CSV) UseLocales(locales LocaleResolver) { c.params.Locales = locales }
