package intake

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// chunkRows is large enough that handing a chunk over costs nothing per row, and small enough that a few of them are
	// a fraction of a MiB.
	chunkRows = 1000
	// chunkBytes bounds a chunk of long rows; one record may exceed it.
	chunkBytes = 256 << 10
)

// chunk is a run of records, not yet cut into cells.
type chunk struct {
	text    string
	records []extent
}

// extent is a record within the text of its chunk.
type extent struct {
	place
	start, end int
	quoted     bool
}

// readChunk collects the next records. With an error it returns those before it.
func (c *CSV) readChunk() (chunk, error) {
	var text strings.Builder
	text.Grow(c.size)
	ch := chunk{records: make([]extent, 0, chunkRows)}
	var err error
	for err == nil && len(ch.records) < chunkRows && text.Len() < chunkBytes {
		var rec record
		if rec, err = c.records.next(); err != nil {
			break
		}
		start := text.Len()
		text.Write(rec.raw)
		ch.records = append(ch.records, extent{place: rec.place, start: start, end: text.Len(), quoted: rec.quoted})
	}
	ch.text = text.String()
	c.size = len(ch.text) + len(ch.text)/8 // rows differ a little in length
	return ch, err
}

// rows cuts and validates; it runs in a goroutine of its own and only reads c.
func (ch *chunk) rows(c *CSV) []Row {
	v := validator{locales: c.params.Locales, pulled: c.header.pulled, texts: make([]string, 0, len(ch.records))}
	rows := make([]Row, 0, len(ch.records))
	valid := utf8.ValidString(ch.text) // saves looking at each row
	scratch := make([]string, 0, len(c.header.names)+1)
	for _, e := range ch.records {
		raw := ch.text[e.start:e.end]
		var bad int
		scratch, bad = split(scratch[:0], raw, c.records.sep, e.quoted)
		if isBlank(scratch) {
			continue
		}
		cells := c.header.pick(scratch)
		problem, found := c.malformed(e.place, raw, len(scratch), bad, valid)
		if !found && c.header.pulled && cells.setNothing() {
			continue // an asset without any text: there is nothing to change, and nobody has changed it
		}
		rows = append(rows, Row{Line: e.line})
		row := &rows[len(rows)-1]
		if found {
			row.Problems = []Problem{problem}
		}
		v.fill(row, &cells)
	}
	return rows
}

// isBlank tells the empty rows that spreadsheets save as ;;;
func isBlank(record []string) bool {
	return !slices.ContainsFunc(record, func(cell string) bool { return trim(cell) != "" })
}

// malformed finds what makes the cells of a record not worth looking at. bad is the index of a stray quote; valid says
// that the UTF-8 is known to be.
func (c *CSV) malformed(at place, raw string, cells, bad int, valid bool) (Problem, bool) {
	if !valid {
		if i := invalidUTF8(raw); i >= 0 {
			return badByte(at, raw, i, c.text.encoding), true
		}
	}
	if bad >= 0 {
		return strayQuote(at.line, raw, bad), true
	}
	if expected := len(c.header.names); cells != expected {
		return Problem{Line: at.line, Value: Clean(raw), Message: countMessage(expected, cells)}, true
	}
	return Problem{}, false
}

// pick takes the cells that are read out of a record's. Those a short record lacks are empty.
func (h *header) pick(record []string) cells {
	var cells cells
	for c, at := range h.index {
		if at < 0 || at >= len(record) {
			continue
		}
		cells[c] = record[at]
		if h.restore[c] {
			cells[c] = Restore(cells[c])
		}
	}
	return cells
}

func countMessage(expected, found int) string {
	if found < expected {
		return fmt.Sprintf("expected %d cells as in the header, found %d: add the missing separators", expected, found)
	}
	return fmt.Sprintf("expected %d cells as in the header, found %d: put a cell that holds the separator in quotes", expected, found)
}

func strayQuote(line int64, raw string, at int) Problem {
	return Problem{
		Line: line + countBreaks([]byte(raw[:at])), Value: Clean(raw),
		Message: "a quote in the middle of a cell: put the whole cell in quotes, from its first character to its last, " +
			"and double every quote inside it",
	}
}

// badByte names the place of a byte that is not UTF-8: an editor wants line and byte, a hex dump the byte of the file.
func badByte(start place, raw string, at int, encoding string) Problem {
	before := []byte(raw[:at])
	column := at - bytes.LastIndexAny(before, "\r\n")
	p := Problem{Line: start.line + countBreaks(before), Value: Clean(raw)}
	if encoding != UTF8 {
		p.Message = fmt.Sprintf("byte %d of line %d (counted in UTF-8) is not valid %s, half a character is missing: "+
			`save the file again as "CSV UTF-8"`, column, p.Line, encoding)
		return p
	}
	p.Message = fmt.Sprintf(`byte %d of line %d (byte %d of the file) is 0x%02X, which is not UTF-8: save the file again as "CSV UTF-8"`,
		column, p.Line, start.offset+int64(at)+1, raw[at])
	return p
}
