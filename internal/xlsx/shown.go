package xlsx

import (
	"fmt"
	"math"
	"strconv"

	"github.com/xuri/excelize/v2"
)

// maxExact is the number from which Excel keeps only the first 15 digits.
const maxExact = 1e15

// Text returns what a person sees in a cell. A date in the system's short form is shown as in American Excel.
func (b *Book) Text(c Cell) (string, error) {
	switch {
	case c.shared:
		return b.sharedText(c.Value)
	case c.Kind == Bool && c.Value == "1":
		return "TRUE", nil
	case c.Kind == Bool && c.Value == "0":
		return "FALSE", nil
	case c.Kind == Number:
		return b.number(c)
	case c.Kind == NoValue:
		return "", nil
	}
	return c.Value, nil
}

// Rounded reports whether a cell holds a number of which Excel has dropped digits.
func (c Cell) Rounded() bool {
	if c.Kind != Number {
		return false
	}
	n, err := strconv.ParseFloat(c.Value, 64)
	return err != nil || math.Abs(n) >= maxExact
}

func (b *Book) number(c Cell) (string, error) {
	n, err := strconv.ParseFloat(c.Value, 64)
	if err != nil {
		return c.Value, nil //nolint:nilerr // no number after all
	}
	if c.Rounded() {
		return strconv.FormatFloat(n, 'G', 15, 64), nil // by its format it could look like an id
	}
	if c.style == 0 || b.styles == "" {
		return general(n), nil
	}
	if b.show == nil {
		if err := b.readFormats(); err != nil {
			return "", err
		}
	}
	return b.show(c)
}

// general shows a number without a format: 15 digits, so that 0.30000000000000004 is 0.3.
func general(n float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(n, 'e', 14, 64), 64) // always a number
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

const (
	scratchSheet = "Sheet1"
	scratchCell  = "A1"
)

// readFormats sets show. It formats numbers in a workbook with one cell that has the styles of this one, because excelize
// formats the cells of workbooks only, and would read a whole sheet into memory for it.
func (b *Book) readFormats() error {
	styles, err := b.bytes(b.styles)
	if err != nil {
		return err
	}
	scratch := excelize.NewFile()
	scratch.Pkg.Store("xl/styles.xml", styles)
	scratch.Styles = nil // read again from there
	if err := scratch.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &b.date1904}); err != nil {
		return damaged(err)
	}
	b.show = func(c Cell) (string, error) { return format(scratch, c) }
	return nil
}

// format shows a number. A format that excelize can't handle must not end the process.
func format(scratch *excelize.File, c Cell) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged(fmt.Errorf("the format of a number can't be used: %v", p))
		}
	}()
	if err = scratch.SetCellDefault(scratchSheet, scratchCell, c.Value); err == nil {
		if err = scratch.SetCellStyle(scratchSheet, scratchCell, scratchCell, c.style); err == nil {
			text, err = scratch.GetCellValue(scratchSheet, scratchCell)
		}
	}
	if err != nil {
		return "", damaged(fmt.Errorf("the styles: %w", err))
	}
	return text, nil
}
