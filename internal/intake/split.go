package intake

import "strings"

// split cuts a record into cells, appended to dst. bad is the index of a quote where none may stand, or -1; the cells are
// then only good for showing.
func split(dst []string, raw string, sep byte, quoted bool) (cells []string, bad int) {
	if !quoted {
		return splitPlain(dst, raw, sep), -1
	}
	bad = -1
	for at := 0; ; {
		cell, next, stray := cutCell(raw, at, sep)
		dst = append(dst, cell)
		if stray >= 0 && bad < 0 {
			bad = stray
		}
		if next > len(raw) {
			return dst, bad
		}
		at = next
	}
}

func splitPlain(dst []string, raw string, sep byte) []string {
	for {
		i := strings.IndexByte(raw, sep)
		if i < 0 {
			return append(dst, raw)
		}
		dst = append(dst, raw[:i])
		raw = raw[i+1:]
	}
}

// cutCell reads the cell at index at. next is where the following cell starts, more than len(raw) after the last one.
func cutCell(raw string, at int, sep byte) (cell string, next, stray int) {
	end := at
	if strings.HasPrefix(raw[at:], `"`) {
		closing := closingQuote(raw, at+1)
		if closing < 0 {
			return raw[at:], len(raw) + 1, at
		}
		end = closing + 1
		if end == len(raw) || raw[end] == sep {
			return unquote(raw[at+1 : closing]), end + 1, -1
		}
	}
	// A bare cell, or text after a closing quote; findQuoted reads on in the same way.
	start := end
	if i := strings.IndexByte(raw[end:], sep); i >= 0 {
		end += i
	} else {
		end = len(raw)
	}
	if start > at {
		return raw[at:end], end + 1, start - 1
	}
	if i := strings.IndexByte(raw[at:end], '"'); i >= 0 {
		return raw[at:end], end + 1, at + i
	}
	return raw[at:end], end + 1, -1
}

// closingQuote finds the quote that ends a quoted cell whose text starts at index at, or -1.
func closingQuote(raw string, at int) int {
	for {
		i := strings.IndexByte(raw[at:], '"')
		if i < 0 {
			return -1
		}
		at += i
		if at+1 == len(raw) || raw[at+1] != '"' {
			return at
		}
		at += 2
	}
}

// unquote costs nothing for a cell without a doubled quote, which is nearly every one.
func unquote(text string) string {
	if strings.IndexByte(text, '"') < 0 {
		return text
	}
	return strings.ReplaceAll(text, `""`, `"`)
}
