package webflow

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage and maxCode bound what is kept of an error, in bytes: it is stored with
// every attempt and shown on one line of a terminal.
const (
	maxMessage = 500
	maxCode    = 100
)

// clean makes text from outside safe to keep and to show. The token goes out after the
// control characters, for "to\x00ken" reads as the token once they are gone, and
// before the cut, for half a token would not be found.
func (t Token) clean(s string, limit int) string {
	return cut(t.Redact(oneLine(s)), limit)
}

// oneLine gives valid UTF-8 without control characters, every run of white space one
// space. Bidirectional marks go too: they can make a terminal show another text than
// the one that is there.
func oneLine(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// cut shortens s to at most limit bytes, between two runes, and says so.
func cut(s string, limit int) string {
	const ellipsis = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
