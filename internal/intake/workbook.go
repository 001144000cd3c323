package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"

	"relabel/internal/xlsx"
)

// maxCopy bounds the temporary copy of a workbook from standard input. 1,048,576 rows have 100 MiB.
const maxCopy = 1 << 30

// Workbook reads one sheet of an Excel workbook. It is not safe for concurrent use.
type Workbook struct {
	table
	params CSVParams
	temp   *os.File // a copy of the workbook, if it can't be read in place
	book   *xlsx.Book
	rows   *xlsx.Rows
	sheet  string
	places []int // the column in the sheet of each name of the header
	ours   bool  // relabel wrote the workbook; then its cells did not go through Neutralise
}

// copy keeps a workbook that comes as a stream.
func (w *Workbook) copy(r io.Reader) (at io.ReaderAt, size int64, err error) {
	if w.temp, err = xlsx.TempFile(); err != nil {
		return nil, 0, err
	}
	size, err = io.Copy(w.temp, io.LimitReader(r, maxCopy+1))
	if written, ok := errors.AsType[*fs.PathError](err); ok && written.Path == w.temp.Name() {
		err = xlsx.TempError(err)
	}
	if err == nil && size > maxCopy {
		err = errors.New(`is larger than 1 GiB: save it as "CSV UTF-8"`)
	}
	return w.temp, size, err
}

func (w *Workbook) open(at io.ReaderAt, size int64) error {
	mapped, err := mappedColumns(w.params.Map)
	if err != nil {
		return err
	}
	if w.book, err = xlsx.Open(at, size); err != nil {
		return err
	}
	sheet, err := w.book.Sheet(w.params.Sheet)
	if err != nil {
		return err
	}
	w.sheet = sheet.Name
	creator, _ := w.book.Creator()
	w.ours = creator == xlsx.Creator
	if w.rows, err = w.book.Rows(sheet); err != nil {
		return err
	}
	return w.readHeader(mapped)
}

// readHeader takes the first row that is not blank. A column without a name is not read.
func (w *Workbook) readHeader(mapped map[column]string) error {
	var names []string
	for len(names) == 0 {
		_, cells, err := w.rows.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("sheet %s %s", quote(w.sheet), errEmpty.Error())
		}
		if err != nil {
			return err
		}
		if names, err = w.names(cells); err != nil {
			return err
		}
	}
	var err error
	w.header, err = resolveHeader(names, mapped)
	if _, ok := errors.AsType[incompleteError](err); ok && !slices.ContainsFunc(names, isID) {
		return &MappingError{Err: err, Sample: w.sample()}
	}
	return err
}

func (w *Workbook) names(cells []xlsx.Cell) (names []string, err error) {
	w.places = w.places[:0]
	size := 0
	for _, c := range cells {
		text, err := w.book.Text(c)
		if err != nil {
			return nil, err
		}
		if size += len(text); size > maxRecord {
			return nil, errors.New("the header is longer than 1 MiB: give a sheet of rows below short names")
		}
		if text = trim(text); text != "" {
			names, w.places = append(names, text), append(w.places, c.Column)
		}
	}
	return names, nil
}

// sampleRows is how many rows help to say which column is which.
const sampleRows = 5

// sample reads on from the header, as far as it can.
func (w *Workbook) sample() *Sample {
	s := &Sample{Header: w.header.names, Guesses: w.header.guesses()}
	for len(s.Rows) < sampleRows {
		_, cells, err := w.rows.Next()
		if err != nil {
			break
		}
		row := make([]string, len(w.places))
		for _, c := range cells {
			if at := slices.Index(w.places, c.Column); at >= 0 {
				text, _ := w.book.Text(c) // of a damaged file there is no more to show
				row[at] = Clean(text)
			}
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// MappingError is returned for a workbook whose header lacks columns that a mapping could name.
type MappingError struct {
	Err    error
	Sample *Sample
}

func (e *MappingError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Is and errors.As.
func (e *MappingError) Unwrap() error { return e.Err }

// Chunks yields the validated rows in the sheet's order. It can be used once. An error comes last; it means that nothing of
// the sheet should be kept.
func (w *Workbook) Chunks(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		read := false
		for {
			rows, err := w.chunk(ctx)
			read = read || len(rows) > 0
			if len(rows) > 0 && !yield(rows, nil) {
				return
			}
			if errors.Is(err, io.EOF) && read {
				return
			}
			if errors.Is(err, io.EOF) {
				err = ErrNoRows
			}
			if err != nil {
				yield(nil, named(w.params.Name, err))
				return
			}
		}
	}
}

// chunk returns the next rows. With an error it returns the rows before it.
func (w *Workbook) chunk(ctx context.Context) ([]Row, error) {
	v := w.validator(chunkRows)
	rows := make([]Row, 0, chunkRows)
	for size := 0; len(rows) < chunkRows && size < chunkBytes; {
		if err := ctx.Err(); err != nil {
			return rows, err
		}
		number, cells, err := w.rows.Next()
		if err != nil {
			return rows, err
		}
		s, err := w.pick(number, cells)
		if err != nil {
			return rows, err
		}
		size += s.size
		if s.blank || len(s.problems) == 0 && w.header.pulled && s.cells.setNothing() {
			continue // as in a CSV
		}
		rows = append(rows, Row{Line: number})
		w.fill(&v, &rows[len(rows)-1], &s)
	}
	return rows, nil
}

// Info describes the sheet.
func (w *Workbook) Info() Info {
	info := w.header.info()
	info.Encoding, info.Sheet, info.Sheets = "Excel", w.sheet, len(w.book.Sheets())
	return info
}

// Close removes the temporary files.
func (w *Workbook) Close() (err error) {
	if w.rows != nil {
		err = w.rows.Close()
	}
	if w.book != nil {
		err = errors.Join(err, w.book.Close())
	}
	if w.temp != nil {
		err = errors.Join(err, xlsx.CloseTemp(w.temp))
	}
	return err
}
