package intake

import "strings"

// split cuts a record into cells and appends them to dst. stray is the index of a quote where none may be, or -1; with one,
// the cells are good for showing only.
func split(dst []string, rec string, sep byte, quoted bool) (cells []string, stray int) {
	if !quoted {
		return splitPlain(dst, rec, sep), -1
	}
	stray = -1
	for at := 0; at <= len(rec); {
		end, bad := cellEnd(rec, at, sep)
		cell := rec[at:end]
		switch {
		case bad < 0 && cell != "" && cell[0] == '"':
			cell = unquote(cell[1 : len(cell)-1])
		case stray < 0:
			stray = bad
		}
		dst = append(dst, cell)
		at = end + 1
	}
	return dst, stray
}

func splitPlain(dst []string, rec string, sep byte) []string {
	for {
		i := strings.IndexByte(rec, sep)
		if i < 0 {
			return append(dst, rec)
		}
		dst = append(dst, rec[:i])
		rec = rec[i+1:]
	}
}

// quotedEnd finds the end of the record that starts at index at. open is the index of a quote that is not closed, or -1.
func quotedEnd(text string, at int, sep byte) (end, open int) {
	for {
		end, stray := cellEnd(text, at, sep)
		if stray == at { // closed nowhere
			return len(text), at
		}
		if end == len(text) || text[end] != sep {
			return end, -1
		}
		at = end + 1
	}
}

// cellEnd finds the end of the cell that starts at index at: a separator, a line break, or the end of the text. Only a
// quote that is the first byte of a cell opens it. Any other one is stray: it must not make the next lines part of the
// record. A quote that is never closed is stray as well.
func cellEnd(text string, at int, sep byte) (end, stray int) {
	end, stray = at, -1
	if at < len(text) && text[at] == '"' {
		closing := closingQuote(text, at+1)
		if closing < 0 {
			return len(text), at
		}
		end = closing + 1
	}
	opened := end > at
	for ; end < len(text) && text[end] != sep && text[end] != '\n' && text[end] != '\r'; end++ {
		if stray < 0 && opened { // text after the closing quote
			stray = end - 1
		} else if stray < 0 && text[end] == '"' {
			stray = end
		}
	}
	return end, stray
}

// closingQuote finds the quote that ends a quoted text whose first byte has index at, or -1.
func closingQuote(text string, at int) int {
	for {
		i := strings.IndexByte(text[at:], '"')
		if i < 0 {
			return -1
		}
		at += i
		if at+1 == len(text) || text[at+1] != '"' {
			return at
		}
		at += 2
	}
}

// unquote undoubles quotes. Nearly every cell has none, and then costs nothing.
func unquote(text string) string {
	if strings.IndexByte(text, '"') < 0 {
		return text
	}
	return strings.ReplaceAll(text, `""`, `"`)
}
