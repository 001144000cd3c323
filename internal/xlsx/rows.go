package xlsx

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The size of a sheet in Excel.
const (
	MaxRows    = 1_048_576
	maxColumns = 16_384

	// maxRow bounds the texts in the cells of one row, which are in memory together. A CSV's row may have 1 MiB.
	maxRow = 4 << 20
)

// Kind is what a cell holds.
type Kind int

// The kinds of cells. A formula counts as its stored value.
const (
	Text Kind = iota
	Number
	Bool
	Error   // such as #N/A
	NoValue // a formula without a stored value
)

// Cell is a cell that is not blank.
type Cell struct {
	Column int // from 0
	Kind   Kind
	Value  string // as stored; a shared string is its number

	shared bool
	style  int
}

// Rows reads the rows of a sheet in their order.
type Rows struct {
	part  *part
	name  string
	row   int64
	cells []Cell
	size  int // of the texts in cells
}

// Rows starts to read a sheet.
func (b *Book) Rows(s Sheet) (*Rows, error) {
	p, err := b.open(s.part)
	if err != nil {
		return nil, err
	}
	return &Rows{part: p, name: s.Name}, nil
}

// Next returns the number of the next row in the sheet, from 1, and its cells, which are valid until the next call. Rows
// without cells may be left out. After the last row the error is io.EOF; any other error means that nothing that was read
// should be kept.
func (r *Rows) Next() (number int64, cells []Cell, err error) {
	for {
		token, err := r.part.next()
		if err != nil {
			return 0, nil, r.damaged(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "row" {
				err = r.readRow(t)
				return r.row, r.cells, err
			}
		case xml.EndElement:
			if t.Name.Local == "sheetData" {
				return 0, nil, r.end()
			}
		}
	}
}

// end checks what follows the rows.
func (r *Rows) end() error {
	if err := r.part.finish(); err != nil {
		return r.damaged(err)
	}
	return io.EOF
}

// Close ends the reading.
func (r *Rows) Close() error { return r.part.src.Close() }

func (r *Rows) damaged(err error) error {
	return damaged(fmt.Errorf("sheet %q after row %d: %w", r.name, r.row, err))
}

func (r *Rows) readRow(start xml.StartElement) error {
	number := r.row + 1
	if n := attribute(start, "r"); n != "" {
		var err error
		if number, err = strconv.ParseInt(n, 10, 64); err != nil {
			return r.damaged(err)
		}
	}
	if number <= r.row || number > MaxRows {
		return r.damaged(fmt.Errorf("row %d follows", number))
	}
	r.row, r.cells, r.size = number, r.cells[:0], 0
	column := 0
	for {
		token, err := r.part.next()
		if err != nil {
			return r.damaged(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local != "c" {
				continue
			}
			if column, err = r.readCell(t, column); err != nil {
				return r.damaged(err)
			}
		case xml.EndElement:
			if t.Name.Local == "row" {
				return nil
			}
		}
	}
}

// readCell reads a cell and returns the column after it. Cells without a reference follow each other.
func (r *Rows) readCell(start xml.StartElement, column int) (next int, err error) {
	c := Cell{Column: column}
	if ref := attribute(start, "r"); ref != "" {
		if c.Column, err = columnOf(ref); err != nil {
			return 0, err
		}
	}
	if c.Column < column || c.Column >= maxColumns {
		return 0, fmt.Errorf("there is no place for the cell %s", attribute(start, "r"))
	}
	c.style, _ = strconv.Atoi(attribute(start, "s")) // 0 is the style of a cell without one
	content, err := r.readContent()
	if err != nil {
		return 0, err
	}
	if content.fill(&c, attribute(start, "t")) {
		r.cells = append(r.cells, c)
	}
	if r.size += len(c.Value); r.size > maxRow {
		return 0, errors.New("the texts of the row are longer than 4 MiB")
	}
	return c.Column + 1, nil
}

// content is what is inside a cell.
type content struct {
	value, inline string
	hasValue      bool
	formula       bool
}

// fill sets the kind and value of a cell, and reports whether there is anything in it.
func (c content) fill(cell *Cell, kind string) bool {
	cell.Value = c.value
	switch kind {
	case "s":
		cell.shared = true
	case "inlineStr":
		cell.Value = c.inline
	case "str":
		cell.Value = unescape(c.value)
	case "b":
		cell.Kind = Bool
	case "e":
		cell.Kind = Error
	case "d": // a date as text, which no spreadsheet writes by itself
	default:
		cell.Kind, cell.Value = Number, strings.TrimSpace(c.value)
	}
	if c.formula && !c.hasValue {
		cell.Kind = NoValue
		return true
	}
	return cell.Value != ""
}

func (r *Rows) readContent() (c content, err error) {
	for {
		token, err := r.part.next()
		if err != nil {
			return c, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "v":
				c.hasValue = true
				c.value, err = r.part.text("v")
			case "f":
				c.formula = true
				_, err = r.part.text("f")
			case "is":
				c.inline, err = r.part.rich("is")
			}
		case xml.EndElement:
			if t.Name.Local == "c" {
				return c, nil
			}
		}
		if err != nil {
			return c, err
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

var errReference = errors.New("a cell has a wrong reference")

// columnOf is the column of a reference such as B17, from 0.
func columnOf(ref string) (int, error) {
	column, letters := 0, 0
	for ; letters < len(ref) && ref[letters] >= 'A' && ref[letters] <= 'Z'; letters++ {
		if column = column*26 + int(ref[letters]-'A') + 1; column > maxColumns {
			return 0, errReference
		}
	}
	if letters == 0 || letters == len(ref) {
		return 0, errReference
	}
	return column - 1, nil
}

// Reference names a cell as spreadsheets do, such as B17.
func Reference(column int, row int64) string {
	name := ""
	for n := column + 1; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name + strconv.FormatInt(row, 10)
}
