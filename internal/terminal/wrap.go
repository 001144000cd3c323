package terminal

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// wrap joins items with commas and breaks the text into lines: between items if
// possible, else between words. Lines beyond the limit are cut.
func wrap(items []string, width, limit int) []string {
	var lines []string
	for i, item := range items {
		if i < len(items)-1 {
			item += ","
		}
		if n := len(lines) - 1; n >= 0 && runewidth.StringWidth(lines[n]+" "+item) <= width {
			lines[n] += " " + item
			continue
		}
		lines = append(lines, WrapWords(item, width)...)
	}
	if len(lines) > limit {
		lines = lines[:limit]
		lines[limit-1] = Fit(lines[limit-1]+" …", width)
	}
	return lines
}

// WrapWords breaks a text into lines of at most width columns. A longer word is cut.
func WrapWords(s string, width int) (lines []string) {
	for _, word := range strings.Fields(s) {
		word = Fit(word, width)
		if n := len(lines) - 1; n >= 0 && runewidth.StringWidth(lines[n]+" "+word) <= width {
			lines[n] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
