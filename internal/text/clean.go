package text

import (
	"strings"
	"unicode"
)

// maxLine bounds a stored reason or note, in bytes.
const maxLine = 1000

// CleanLine makes a text safe to store and to post: on one line, without invisible
// characters, and not endless.
func CleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r): // control characters, and those that reverse the direction of text
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = OneLine(s)
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	return s
}
