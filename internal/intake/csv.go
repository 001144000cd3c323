package intake

import (
	"errors"
	"io"
	"os"
	"runtime"
)

// ErrNoRows means that a file has a header and nothing below it.
var ErrNoRows = errors.New("has a header but no rows below it: nothing to load")

// CSVParams says how to read a CSV, or a workbook in its place.
type CSVParams struct {
	Name  string            // for messages; OpenFile takes the path
	Map   map[string]string // our column to the header in the file, from ParseMap
	Sheet string            // of a workbook; empty: the first visible one

	Open func(path string) (*os.File, error) // for OpenFile; nil: os.Open

	workers int // goroutines that validate; 0 for one per processor
}

// Info describes a source after its header was read.
type Info struct {
	Encoding  string   `json:"encoding"`
	Gzip      bool     `json:"gzip"`
	Separator string   `json:"separator"`
	Header    []string `json:"header"`
	Columns   []string `json:"columns"`  // our names of the columns that are read
	Ignored   []string `json:"ignored"`  // headers that nothing is read from; tell the user
	Exported  bool     `json:"exported"` // relabel wrote the file: the quotes before formulas are taken off again

	Sheet  string `json:"sheet,omitempty"`  // of a workbook, that is read
	Sheets int    `json:"sheets,omitempty"` // how many it has
}

// CSV reads one CSV. It is not safe for concurrent use.
type CSV struct {
	table
	params  CSVParams
	text    text
	records *records
	started bool
}

// NewCSV reads the header of a CSV. It reports what is wrong with the file as a whole, as far as the first rows show it.
// The caller still owns the reader.
func NewCSV(r io.Reader, params CSVParams) (*CSV, error) {
	if params.Name == "" {
		params.Name = "standard input"
	}
	if params.workers <= 0 {
		params.workers = runtime.GOMAXPROCS(0)
	}
	c := &CSV{params: params}
	if err := c.open(r); err != nil {
		return nil, named(c.params.Name, err)
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
	c.records = newRecords(c.text.Reader, c.text.offset)
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

// Close implements File. A CSV has nothing to close.
func (c *CSV) Close() error { return nil }

// Info describes the file.
func (c *CSV) Info() Info {
	info := c.header.info()
	info.Encoding, info.Gzip, info.Separator = c.text.encoding, c.text.gzip, string(c.records.sep)
	return info
}
