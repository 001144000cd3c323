package intake

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
)

const (
	// jsonChunk is how many rows are validated at once.
	jsonChunk = 1000

	// maxJSONRow bounds the memory of one row. Its texts may have 24 KiB together, and
	// each character may be written as \uXXXX.
	maxJSONRow = 1 << 20
)

// JSON reads an array of objects, one for each row. Its columns are the fields of the
// first object. A text is taken as it is: null leaves a field alone, and "" empties an alt
// text. It is not safe for concurrent use.
type JSON struct {
	table
	name    string
	limit   *rowLimit
	decoder *json.Decoder
	ahead   *jsonRow // the next row of Chunks, or nil after the last one
	row     int64
}

// jsonRow is what is kept of a row. A row may have a hundred thousand fields that nothing reads.
type jsonRow struct {
	cells [numColumns]json.RawMessage
	extra [numColumns]string // a field with the name of a column, which row 1 does not have
}

// rowLimit fails when the decoder reads more for one row than it may have, beside what it
// has read ahead.
type rowLimit struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (l *rowLimit) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("is longer than %d KiB", maxJSONRow>>10)
	}
	n, err := l.r.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// NewJSON reads the beginning of an array, and its first row. The caller still owns the
// reader.
func NewJSON(r io.Reader, params CSVParams) (*JSON, error) {
	limit := &rowLimit{r: bufio.NewReaderSize(r, readSize), left: maxJSONRow} // the decoder reads in small pieces
	j := &JSON{name: params.Name, limit: limit, decoder: json.NewDecoder(limit)}
	if err := j.open(params.Map); err != nil {
		return nil, named(j.name, err)
	}
	return j, nil
}

// goodJSON is what a caller must send.
const goodJSON = `send [{"asset_id": "...", "display_name": "..."}, ...]`

var errNoArray = errors.New("this is not a list of rows: " + goodJSON)

func (j *JSON) open(mapping map[string]string) error {
	mapped, err := mappedColumns(mapping)
	if err != nil {
		return err
	}
	start, err := j.decoder.Token()
	switch {
	case errors.Is(err, io.EOF):
		return errNoArray
	case err != nil:
		return jsonError(0, err)
	case start != json.Delim('['):
		return errNoArray
	}
	first, err := j.next()
	if err != nil {
		return err
	}
	if first == nil {
		return errors.New("the list is empty: nothing to load")
	}
	if j.header, err = resolveHeader(slices.Sorted(maps.Keys(first)), mapped); err != nil {
		return fmt.Errorf("the fields of row 1: %w", err)
	}
	j.ahead = j.keep(first)
	j.header.restore, j.header.exported, j.header.pulled = [numColumns]bool{}, false, false // texts are exact
	return nil
}

// next returns nil after the last row, and an error if the list is not complete.
func (j *JSON) next() (map[string]json.RawMessage, error) {
	j.limit.left = maxJSONRow
	if !j.decoder.More() {
		return nil, j.end()
	}
	j.row++
	row := map[string]json.RawMessage{}
	if err := j.decoder.Decode(&row); err != nil {
		return nil, jsonError(j.row, err)
	}
	if row == nil {
		return nil, noObject(j.row)
	}
	return row, nil
}

// end reads what ends the list, and requires that nothing follows.
func (j *JSON) end() error {
	if _, err := j.decoder.Token(); err != nil {
		return jsonError(j.row+1, err)
	}
	_, err := j.decoder.Token()
	syntax := (*json.SyntaxError)(nil)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil, errors.As(err, &syntax):
		return errors.New("something follows the list of rows: send one list and nothing else")
	}
	return jsonError(j.row, err)
}

func noObject(row int64) error { return fmt.Errorf("row %d is no object: %s", row, goodJSON) }

func jsonError(row int64, err error) error {
	kind := (*json.UnmarshalTypeError)(nil)
	switch {
	case errors.As(err, &kind):
		return noObject(row)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the JSON ends in the middle of the list, after row %d: send it again", max(row-1, 0))
	}
	return fmt.Errorf("the JSON is wrong at row %d: %w", max(row, 1), err)
}

// Chunks yields the validated rows in their order. It can be used once.
func (j *JSON) Chunks(context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		for number := int64(1); j.ahead != nil; {
			rows, err := j.chunk()
			if err != nil {
				yield(nil, named(j.name, err))
				return
			}
			if !yield(j.validate(number, rows), nil) {
				return
			}
			number += int64(len(rows))
		}
	}
}

// chunk collects the next rows. As in a CSV their bytes are limited too, so that long rows don't fill the memory.
func (j *JSON) chunk() ([]*jsonRow, error) {
	var rows []*jsonRow
	start := j.decoder.InputOffset()
	for full := false; j.ahead != nil && !full; {
		rows = append(rows, j.ahead)
		full = len(rows) == jsonChunk || j.decoder.InputOffset()-start >= chunkBytes
		fields, err := j.next()
		if err != nil {
			return nil, err
		}
		j.ahead = j.keep(fields)
	}
	return rows, nil
}

// keep takes what is read out of the fields of a row, and returns nil if there is no row.
func (j *JSON) keep(fields map[string]json.RawMessage) *jsonRow {
	if fields == nil {
		return nil
	}
	row := &jsonRow{}
	for col, at := range j.header.index {
		if at >= 0 {
			row.cells[col] = fields[j.header.names[at]]
		}
	}
	for name := range fields {
		col := columnNamed(name)
		if col == colNone || row.extra[col] != "" && row.extra[col] < name { // one is enough to refuse the row
			continue
		}
		if _, found := slices.BinarySearch(j.header.names, name); !found {
			row.extra[col] = name
		}
	}
	return row
}

func (j *JSON) validate(number int64, list []*jsonRow) []Row {
	v := j.validator(len(list))
	rows := make([]Row, len(list))
	for i, kept := range list {
		rows[i].Line = number + int64(i)
		c := j.pick(&rows[i], kept)
		v.fill(&rows[i], &c)
	}
	return rows
}

// pick takes the texts out of a row, and refuses what a CSV could not say.
func (j *JSON) pick(row *Row, kept *jsonRow) (c cells) {
	for col, raw := range kept.cells {
		if raw == nil || bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := json.Unmarshal(raw, &c[col]); err != nil {
			row.refuse(column(col), string(raw[:min(len(raw), maxName)]), "this is no text: put it in quotes, or give null")
		} else if c[col] == "" && column(col) == colAltText {
			c[cellEmptyAlt] = `""`
		}
	}
	for col, name := range kept.extra {
		if name != "" {
			row.refuse(column(col), "", "row 1 has no field "+quote(name)+": give each row the same fields, with null for those to leave alone")
		}
	}
	return c
}

// Info describes the fields.
func (j *JSON) Info() Info { return j.header.info() }

// UseEmpty does nothing: "" empties an alt text.
func (j *JSON) UseEmpty(string) {}

// Close has nothing to close.
func (j *JSON) Close() error { return nil }
