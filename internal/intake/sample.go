package intake

import (
	"errors"
	"io"
	"slices"
	"strings"
)

// Sample is the beginning of a CSV whose header lacks columns: enough for a person to say
// which column is which.
type Sample struct {
	Header  []string
	Rows    [][]string        // made fit to be shown
	Guesses map[string]string // our columns to headers that probably mean them
}

// SampleColumns lists our columns that a mapping can name.
func SampleColumns() []string { return columns() }

// ReadSample reads the first rows of a CSV, which may be cut off behind them. It returns
// nil if the header needs no mapping, or if a mapping would not help.
func ReadSample(r io.Reader, rows int) *Sample {
	text, err := decode(r)
	if err != nil {
		return nil
	}
	records := newRecords(text.Reader, text.offset)
	h, err := readHeader(records, nil, text.encoding)
	if _, ok := errors.AsType[incompleteError](err); !ok || slices.ContainsFunc(h.names, isID) { // an id: there is no header
		return nil
	}
	s := &Sample{Header: h.names, Guesses: h.guesses()}
	for len(s.Rows) < rows {
		rec, err := records.next()
		if err != nil {
			break
		}
		cells, _ := split(nil, rec.raw, records.sep, rec.quoted)
		for i := range cells {
			cells[i] = Clean(cells[i])
		}
		s.Rows = append(s.Rows, cells)
	}
	return s
}

func (h *header) guesses() map[string]string {
	out := map[string]string{}
	for _, name := range h.names {
		if c := looksLike(name); c != colNone && out[c.String()] == "" {
			out[c.String()] = name
		}
	}
	return out
}

// FormatMap writes a mapping of our columns to headers as ParseMap reads it.
func FormatMap(mapping map[string]string) string {
	var pairs []string
	for _, column := range columns() {
		if header := mapping[column]; header != "" {
			pairs = append(pairs, formatPair(column, header))
		}
	}
	return strings.Join(pairs, ",")
}
