package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// MinText is the narrowest column in which a text is still readable.
const MinText = 24

// neededColumns of a table are printed at any width.
const neededColumns = 3

// Table is printed as wide as the terminal. The least important columns are omitted
// if they don't fit, and the text column is cut.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// Column is one column of a table.
type Column struct {
	Name  string
	Need  int  // 1 is the most important
	Right bool // aligned right, for numbers
	Text  bool // takes the rest of the width; the last column
}

// Print writes the table at a width in columns; 0 means any width. A column without
// any content is omitted.
func (t Table) Print(w io.Writer, width int) {
	widths := t.widths()
	shown := t.fitting(widths, width)
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	for _, cells := range append([][]string{names}, t.Rows...) {
		var b strings.Builder
		for _, i := range shown {
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			b.WriteString(t.Columns[i].cell(cells[i], widths[i]))
		}
		fmt.Fprintln(w, Fit(strings.TrimRight(b.String(), " "), width))
	}
}

func (c Column) cell(s string, width int) string {
	switch {
	case c.Right:
		return runewidth.FillLeft(s, width)
	case c.Text:
		return s
	}
	return runewidth.FillRight(s, width)
}

// widths are the widths of the columns; 0 if a column is empty.
func (t Table) widths() []int {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		for _, r := range t.Rows {
			widths[i] = max(widths[i], runewidth.StringWidth(r[i]))
		}
		if widths[i] > 0 {
			widths[i] = max(widths[i], runewidth.StringWidth(c.Name))
		}
	}
	return widths
}

// fitting chooses the columns that fit beside the text column.
func (t Table) fitting(widths []int, width int) (shown []int) {
	left := width - MinText
	fits := map[int]bool{}
	for need := 1; need <= len(t.Columns); need++ {
		for i, c := range t.Columns {
			if c.Need != need || widths[i] == 0 {
				continue
			}
			if left -= widths[i] + 2; width > 0 && left < 0 && need > neededColumns {
				continue // a later one may be narrower
			}
			fits[i] = true
		}
	}
	for i, c := range t.Columns {
		if c.Text || fits[i] {
			shown = append(shown, i)
		}
	}
	return shown
}
