package cli

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"relabel/internal/text"
)

// maxBelow is how many texts of all bars are shown at most: the limits of some
// sites, the last error, and how much is not shown.
const maxBelow = 6

// cut leaves out bars that a terminal has no room for, and tells how many.
func (p picture) cut(width, height int) picture {
	if len(p.below) > maxBelow-1 {
		p.below = p.below[len(p.below)-(maxBelow-1):]
	}
	room := height - len(textBelow(p.below, width))
	for i, b := range p.bars {
		room -= 1 + len(b.text(width))
		last := i == len(p.bars)-1
		if i == 0 || room > 0 || last && room == 0 {
			continue
		}
		more := "and " + text.Plural(int64(len(p.bars)-i), "more batch", "more batches") + ": relabel status"
		p.bars, p.below = p.bars[:i], append([]string{more}, p.below...)
		break
	}
	return p
}

// text is how it goes, laid out.
func (p progress) text(width int) []string {
	lines := wrap(p.details, width-len(p.indent), detailLines)
	for i := range lines {
		lines[i] = p.indent + lines[i]
	}
	return lines
}

func textBelow(below []string, width int) (lines []string) {
	for _, line := range below {
		lines = append(lines, wrap([]string{line}, width, belowLines)...)
	}
	return lines
}

// wrap lays items out in lines of a width, commas between them, and breaks
// between items where it can, else between words. What does not fit is cut.
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
		lines = append(lines, wrapWords(item, width)...)
	}
	if len(lines) > limit {
		lines = lines[:limit]
		lines[limit-1] = fit(lines[limit-1]+" …", width)
	}
	return lines
}

func wrapWords(text string, width int) (lines []string) {
	for _, word := range strings.Fields(text) {
		word = fit(word, width)
		if n := len(lines) - 1; n >= 0 && runewidth.StringWidth(lines[n]+" "+word) <= width {
			lines[n] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
