package intake

import "bytes"

// span is the extent of a record in a text that starts with it.
type span struct {
	content int   // bytes of the record itself
	size    int   // the same with its line end
	lines   int64 // line ends in size
	quoted  bool
	open    int // where an unclosed quote stands, or -1
}

// find measures the record at pos; false means that its end is not in the buffer.
func (r *records) find() (span, bool) {
	text := r.buf[:r.end]
	end := min(r.lf.next(text, r.pos, '\n'), r.cr.next(text, r.pos, '\r'))
	if r.quote.next(text, r.pos, '"') < end {
		return findQuoted(text[r.pos:], r.sep, r.eof)
	}
	s, found := lineEnd(text[r.pos:], end-r.pos, r.eof)
	s.lines = int64(s.size - s.content)
	if s.lines == 2 { // CRLF is one
		s.lines = 1
	}
	return s, found
}

// lineEnd closes a record whose content ends at index at: before a line end, or where the text ends.
func lineEnd(text []byte, at int, eof bool) (span, bool) {
	s := span{content: at, size: at, open: -1}
	if at == len(text) {
		return s, eof
	}
	s.size++
	if text[at] == '\n' {
		return s, true
	}
	if s.size == len(text) {
		return s, eof // an LF may follow the CR
	}
	if text[s.size] == '\n' {
		s.size++
	}
	return s, true
}

// findQuoted is find for a record that holds a quote. A quote opens a cell only as the first byte of it; anywhere else it is a
// mistake that split reports, and must not make the lines after it part of this record.
func findQuoted(text []byte, sep byte, eof bool) (span, bool) {
	start := true
	for at := 0; at < len(text); at++ {
		switch c := text[at]; {
		case c == '"' && start:
			closing, closed := skipQuoted(text, at+1, eof)
			if !closed {
				return span{open: at}, false
			}
			at, start = closing, false
		case c == '\n' || c == '\r':
			return quotedEnd(text, at, eof)
		default:
			start = c == sep
		}
	}
	return quotedEnd(text, len(text), eof)
}

func quotedEnd(text []byte, at int, eof bool) (span, bool) {
	s, found := lineEnd(text, at, eof)
	s.quoted = true
	s.lines = countBreaks(text[:s.size])
	return s, found
}

// skipQuoted finds the quote that closes a cell. A quote that ends the text so far may be the first of a doubled one.
func skipQuoted(text []byte, at int, eof bool) (closing int, closed bool) {
	for {
		i := bytes.IndexByte(text[at:], '"')
		if i < 0 {
			return 0, false
		}
		at += i
		if at+1 == len(text) {
			return at, eof
		}
		if text[at+1] != '"' {
			return at, true
		}
		at += 2
	}
}

// countBreaks counts line ends: LF, CRLF and a CR alone.
func countBreaks(text []byte) int64 {
	n := bytes.Count(text, []byte{'\n'}) + bytes.Count(text, []byte{'\r'}) - bytes.Count(text, []byte("\r\n"))
	return int64(n)
}
