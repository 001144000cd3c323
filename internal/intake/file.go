package intake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"relabel/internal/xlsx"
)

// File is a CSV or a workbook.
type File interface {
	Chunks(ctx context.Context) iter.Seq2[[]Row, error]
	Info() Info
	Reads(column string) bool
	NamedBy() string
	UseEmpty(marker string)
	UseLocales(locales LocaleResolver)
	Close() error
}

// OpenFile opens a CSV, plain or .gz, or a workbook, and reads its header. Close the File when done.
func OpenFile(path string, params CSVParams) (File, error) {
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
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		_ = file.Close() // was not even read
		return nil, fmt.Errorf("%s is a folder: give the path of a CSV or Excel file in it", path)
	}
	var at io.ReaderAt
	var size int64
	if err == nil && info.Mode().IsRegular() {
		at, size = file, info.Size()
	}
	f, err := newFile(file, at, size, params)
	if err != nil {
		_ = file.Close() // was only read
		return nil, err
	}
	return openedFile{f, file}, nil
}

// openedFile is a File with the file that OpenFile opened for it.
type openedFile struct {
	File
	file *os.File
}

// Close implements File.
func (o openedFile) Close() error { return errors.Join(o.File.Close(), o.file.Close()) }

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

// NewFile reads the header of a CSV or a workbook. A workbook is first copied to a temporary file, because its directory is
// at its end. Close the File when done; the caller still owns the reader.
func NewFile(r io.Reader, params CSVParams) (File, error) { return newFile(r, nil, 0, params) }

// newFile recognises a workbook by its first bytes; all else is a CSV. at reads the same file as r at any place, or is nil.
func newFile(r io.Reader, at io.ReaderAt, size int64, params CSVParams) (File, error) {
	if params.Name == "" {
		params.Name = "standard input"
	}
	in := bufio.NewReaderSize(r, readSize)
	head, err := peek(in)
	switch {
	case err != nil:
		return nil, named(params.Name, err)
	case !xlsx.IsWorkbook(head) && params.Sheet != "":
		return nil, named(params.Name, fmt.Errorf("is no Excel workbook, so it has no sheet %s", quote(params.Sheet)))
	case !xlsx.IsWorkbook(head):
		return NewCSV(in, params)
	}
	f := &Workbook{params: params}
	if at == nil {
		at, size, err = f.copy(in)
	}
	if err == nil {
		err = f.open(at, size)
	}
	if err != nil {
		_ = f.Close() // the first error counts
		return nil, named(params.Name, err)
	}
	return f, nil
}

// named puts the name of the file before an error, once.
func named(name string, err error) error {
	if errors.Is(err, errEmpty) || errors.Is(err, ErrNoRows) {
		return fmt.Errorf("%s %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
