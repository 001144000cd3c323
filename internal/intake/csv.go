package intake

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// ErrNoRows means that a file has a header and nothing below it.
var ErrNoRows = errors.New("has a header but no rows below it: nothing to load")

// CSVParams says how to read a CSV.
type CSVParams struct {
	Name string            // for messages; OpenCSV takes the path
	Map  map[string]string // our column to the header in the file, from ParseMap

	Open func(path string) (*os.File, error) // for OpenCSV; nil: os.Open

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
}

// CSV reads one CSV. It is not safe for concurrent use.
type CSV struct {
	table
	params  CSVParams
	text    text
	records *records
	file    *os.File // nil if the caller owns the reader
	started bool
}

// OpenCSV opens a CSV file, plain or .gz, and reads its header. Close the CSV when done.
func OpenCSV(path string, params CSVParams) (*CSV, error) {
	if params.Name == "" {
		params.Name = path
	}
	if params.Open == nil {
		params.Open = os.Open
	}
	file, err := params.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close() // was not even read
		return nil, fmt.Errorf("%s is a folder: give the path of a CSV file in it", path)
	}
	csv, err := NewCSV(file, params)
	if err != nil {
		_ = file.Close() // was only read
		return nil, err
	}
	csv.file = file
	return csv, nil
}

// openError adds what to do about the usual reasons why a file does not open.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file: check the path (%w)", path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: no permission to read it: ask its owner, or run chmod +r on it (%w)", path, fs.ErrPermission)
	}
	return fmt.Errorf("error opening %s: %w", path, err)
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

// named puts the file's name before an error, once.
func (c *CSV) named(err error) error {
	if errors.Is(err, errEmpty) || errors.Is(err, ErrNoRows) {
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

// Info describes the file.
func (c *CSV) Info() Info {
	info := c.header.info()
	info.Encoding, info.Gzip, info.Separator = c.text.encoding, c.text.gzip, string(c.records.sep)
	return info
}
