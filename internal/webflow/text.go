package webflow

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage and maxCode limit the texts of an error, in bytes. They are stored with
// every attempt, and shown on one line of a terminal.
const (
	maxMessage = 500
	maxCode    = 100
)

// clean makes a text from outside safe to store and to show. It removes control
// characters first, because "to\x00ken" becomes the token without them. It cuts last,
// because half a token would not be found.
func (t Token) clean(s string, limit int) string {
	return cut(t.Redact(oneLine(s)), limit)
}

// oneLine returns valid UTF-8 without control characters, with one space for every run
// of white space. It also removes bidirectional marks, which can make a terminal show
// a text in another order.
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

// cut shortens s to at most limit bytes, between two runes and with an ellipsis.
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
