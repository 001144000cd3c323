package intake

import (
	"fmt"
	"slices"

	"relabel/internal/xlsx"
)

// sheetRow is a row of a sheet before its validation.
type sheetRow struct {
	number   int64
	cells    cells
	problems []Problem // of cells whose text can't be taken
	warnings []Problem
	size     int // of the cells
	blank    bool
}

// pick takes the cells that are read out of a row. The texts of others are looked at only if all of those are blank.
func (w *Workbook) pick(number int64, found []xlsx.Cell) (s sheetRow, err error) {
	s = sheetRow{number: number, blank: true}
	for _, c := range found {
		col := w.column(c.Column)
		if col == colNone {
			continue
		}
		text, err := w.book.Text(c)
		if err != nil {
			return s, err
		}
		if w.header.restore[col] && !w.ours {
			text = restore(text)
		}
		s.cells[col] = text
		s.size += len(text)
		s.check(col, c)
		s.blank = s.blank && trim(text) == "" && len(s.problems) == 0
	}
	for i := 0; i < len(found) && s.blank; i++ {
		text, err := w.book.Text(found[i])
		if err != nil {
			return s, err
		}
		s.blank = trim(text) == ""
	}
	s.cells.mark(&w.header)
	return s, nil
}

// column finds the column of ours that a column of the sheet is read into.
func (w *Workbook) column(place int) column {
	if at := slices.Index(w.places, place); at >= 0 {
		return column(slices.Index(w.header.index[:], at)) // -1 is colNone
	}
	return colNone
}

// check refuses cells whose text is not what the person meant.
func (s *sheetRow) check(col column, c xlsx.Cell) {
	if c.Kind == xlsx.Text || c.Kind == xlsx.Bool {
		return
	}
	p := Problem{Line: s.number, Column: col.String(), Value: Clean(s.cells[col])}
	cell := "cell " + xlsx.Reference(c.Column, s.number) + ": "
	if message := cellRefused(col, c); message != "" {
		p.Message = cell + message
		s.problems = append(s.problems, p)
	} else if s.cells[col] != c.Value {
		p.Message = fmt.Sprintf("%sa number or date is taken as shown, %s: format the cell as text if you mean another one", cell, quote(s.cells[col]))
		s.warnings = append(s.warnings, p)
	}
}

// cellRefused says why a cell that is no text can't be taken.
func cellRefused(col column, c xlsx.Cell) string {
	switch {
	case c.Kind == xlsx.Error:
		return "the formula ends in an error: correct it, or clear the cell"
	case c.Kind == xlsx.NoValue:
		return "the formula has no stored value: open the workbook in a spreadsheet and save it"
	case c.Rounded() && (col == colAssetID || col == colLocaleID):
		return "the spreadsheet made a number of the id: format the column as text and fill the ids in again, " +
			"or begin with the file of `relabel pull -o assets.xlsx`"
	case c.Rounded():
		return "the spreadsheet keeps only 15 digits of a number: format the cell as text and type the number again"
	}
	return ""
}

// fill validates a row, and names the cell of each problem.
func (w *Workbook) fill(v *validator, row *Row, s *sheetRow) {
	row.Problems = s.problems
	v.fill(row, &s.cells)
	if len(s.problems) == 0 {
		w.nameCells(row.Problems)
	}
	w.nameCells(row.Warnings)
	row.Warnings = append(row.Warnings, s.warnings...)
}

func (w *Workbook) nameCells(problems []Problem) {
	for i, p := range problems {
		if col := slices.Index(columns(), p.Column); col >= 0 && w.header.index[col] >= 0 {
			problems[i].Message = "cell " + xlsx.Reference(w.places[w.header.index[col]], p.Line) + ": " + p.Message
		}
	}
}
