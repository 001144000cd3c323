package intake

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	show "relabel/internal/text"
)

// shownRunes is how much of a cell a message shows: enough to recognise it, and short enough for one line.
const shownRunes = 60

// Clean makes a text fit for a message or a terminal. It cuts the text, and makes visible what cannot be seen: control
// characters, line breaks and marks of the text direction become escapes, bytes that are not UTF-8 the replacement character.
func Clean(cell string) string {
	var b strings.Builder
	shown := 0
	for _, r := range cell { // ends at the cut: a cell may be a MiB
		if shown == shownRunes {
			b.WriteString("…")
			break
		}
		if show.Hidden(r) {
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

// trim cuts what is blank around a cell. Its first line is a short cut for nearly every cell.
func trim(text string) string {
	if text == "" || text[0] > ' ' && text[0] < 0x7f && text[len(text)-1] > ' ' && text[len(text)-1] < 0x7f {
		return text
	}
	return strings.TrimFunc(text, blank)
}

// blank reports white space, and the invisible characters that copying from web pages leaves.
func blank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' }

// isOverride reports the characters that turn the direction of the text after them (U+202A to E, U+2066 to 9). They can
// make "gpj.exe" look like "exe.jpg".
func isOverride(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// plain reports whether a text is printable ASCII only. Nearly all are, and their runes need no check.
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
	for i := range text {
		if r, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}
