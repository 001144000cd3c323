package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// minRest is the least room that the column of texts needs to be of use.
const minRest = 24

// width is that of the terminal that standard output is; 0 where it is none, and
// lines may have any length.
func (a *app) width() int {
	f, ok := isFile(a.stdout.Writer)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// fit cuts a line to a terminal's width; 0 is any.
func fit(s string, width int) string {
	if width <= 0 {
		return s
	}
	return runewidth.Truncate(s, width, "…")
}

// table is printed as wide as the terminal: what does not fit is left out, by
// column, and the last column is cut.
type table struct {
	columns []column
	rows    [][]string
}

type column struct {
	name  string
	need  int  // 1 is missed most
	right bool // numbers
	rest  bool // texts, which take what is left
}

func (t table) print(w io.Writer, width int) {
	widths := t.widths()
	shown := t.fitting(widths, width)
	line := func(cells []string) {
		var b strings.Builder
		for _, i := range shown {
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			b.WriteString(t.columns[i].cell(cells[i], widths[i]))
		}
		fmt.Fprintln(w, fit(strings.TrimRight(b.String(), " "), width))
	}
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	line(names)
	for _, r := range t.rows {
		line(r)
	}
}

func (c column) cell(text string, width int) string {
	switch {
	case c.right:
		return runewidth.FillLeft(text, width)
	case c.rest:
		return text
	}
	return runewidth.FillRight(text, width)
}

// widths are those of the columns' cells; 0 where a column is empty.
func (t table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		for _, r := range t.rows {
			widths[i] = max(widths[i], runewidth.StringWidth(r[i]))
		}
		if widths[i] > 0 {
			widths[i] = max(widths[i], runewidth.StringWidth(c.name))
		}
	}
	return widths
}

// fitting chooses the columns that fit beside a column of texts.
func (t table) fitting(widths []int, width int) (shown []int) {
	left := width - minRest
	fits := map[int]bool{}
	for need := 1; need <= len(t.columns); need++ {
		for i, c := range t.columns {
			if c.need != need || widths[i] == 0 {
				continue
			}
			if left -= widths[i] + 2; width > 0 && left < 0 && need > 3 {
				continue // one of the later ones may be narrower
			}
			fits[i] = true
		}
	}
	for i, c := range t.columns {
		if c.rest || fits[i] {
			shown = append(shown, i)
		}
	}
	return shown
}
