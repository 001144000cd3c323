package intake

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shownRunes is how much of a cell a message shows: enough to know it again, and short enough for one line.
const shownRunes = 60

// Clean cuts a text for a message or a terminal and makes what cannot be seen visible: control characters, line breaks and
// text direction overrides become escapes, bytes that are not UTF-8 the replacement character.
func Clean(text string) string {
	var b strings.Builder
	shown := 0
	for _, r := range text { // ends at the cut: a cell may be a MiB
		if shown == shownRunes {
			b.WriteString("…")
			break
		}
		if unicode.IsControl(r) || isOverride(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
		shown++
	}
	return b.String()
}

// quote is Clean between double quotes.
func quote(text string) string { return `"` + Clean(text) + `"` }

// storable makes a refused cell fit for a text column of PostgreSQL: valid UTF-8 without NUL, at most limit bytes.
func storable(text string, limit int) string {
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit]
	}
	text = strings.ToValidUTF8(text, "\ufffd")
	return strings.ReplaceAll(text, "\x00", "\ufffd")
}

// trim cuts the white space around a cell, and the invisible characters that copying from web pages leaves there.
func trim(text string) string {
	if text == "" || text[0] > ' ' && text[0] < 0x7f && text[len(text)-1] > ' ' && text[len(text)-1] < 0x7f {
		return text
	}
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b'
	})
}

// isOverride tells the characters that turn the direction of the text after them (U+202A to E, U+2066 to 9): a name with
// one reads differently from what it is, "gpj.exe" for one.
func isOverride(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// plain reports whether a text is printable ASCII only. Nearly all are, and then need no look at their runes.
func plain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// invalidUTF8 is the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return i
		}
	}
	return -1
}
