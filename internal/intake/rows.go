package intake

import (
	"fmt"
	"slices"
	"strings"
)

// validate makes rows of records. Several goroutines run it at once, so it only reads c.
func (c *CSV) validate(chunk []record) []Row {
	v := validator{locales: c.locales, pulled: c.header.pulled, texts: make([]string, 0, len(chunk))}
	rows := make([]Row, 0, len(chunk))
	scratch := make([]string, 0, len(c.header.names)+1)
	for _, rec := range chunk {
		var stray int
		scratch, stray = split(scratch[:0], rec.raw, c.records.sep, rec.quoted)
		if isBlank(scratch) {
			continue
		}
		cells := c.header.pick(scratch)
		problem, malformed := c.malformed(rec, len(scratch), stray)
		if !malformed && c.header.pulled && cells.setNothing() {
			continue // an asset without any text, and nobody has changed that
		}
		rows = append(rows, Row{Line: rec.line})
		row := &rows[len(rows)-1]
		if malformed {
			row.Problems = []Problem{problem}
		}
		v.fill(row, &cells)
	}
	return rows
}

// isBlank recognises the empty rows that spreadsheets save as ;;;
func isBlank(cells []string) bool {
	return !slices.ContainsFunc(cells, func(cell string) bool { return trim(cell) != "" })
}

// malformed finds what makes the cells of a record not worth looking at.
func (c *CSV) malformed(rec record, cells, stray int) (Problem, bool) {
	p := Problem{Line: rec.line}
	if i := invalidUTF8(rec.raw); i >= 0 {
		p.Line, p.Message = badByte(rec, i, c.text.encoding)
	} else if stray >= 0 {
		p.Line += countBreaks(rec.raw[:stray])
		p.Message = "a quote in the middle of a cell: put the whole cell in quotes, from its first character to its last, " +
			"and double every quote inside it"
	} else if expected := len(c.header.names); cells < expected {
		p.Message = fmt.Sprintf("expected %d cells as in the header, found %d: add the missing separators", expected, cells)
	} else if cells > expected {
		p.Message = fmt.Sprintf("expected %d cells as in the header, found %d: put a cell that holds the separator in quotes", expected, cells)
	} else {
		return p, false
	}
	p.Value = Clean(rec.raw)
	return p, true
}

// badByte locates a byte that is not UTF-8: line and byte for an editor, the byte of the file for a hex dump.
func badByte(rec record, at int, encoding string) (line int64, message string) {
	before := rec.raw[:at]
	line = rec.line + countBreaks(before)
	column := at - strings.LastIndexAny(before, "\r\n")
	if encoding != encodingUTF8 {
		return line, fmt.Sprintf("byte %d of line %d (counted in UTF-8) is not valid %s, half a character is missing: "+
			`save the file again as "CSV UTF-8"`, column, line, encoding)
	}
	return line, fmt.Sprintf(`byte %d of line %d (byte %d of the file) is 0x%02X, which is not UTF-8: save the file again as "CSV UTF-8"`,
		column, line, rec.offset+int64(at)+1, rec.raw[at])
}
