package xlsx

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

const (
	// maxText is how many UTF-16 units a cell of Excel holds.
	maxText = 32_767
	// textFormat is the number of the format "@": what a person types into such a cell stays text too.
	textFormat = 49
)

// Column is a column of a workbook to write.
type Column struct {
	Name  string
	Width float64 // in characters
}

// Writer writes a workbook with one sheet. All its cells are text, so that no cell runs as a formula and no id becomes a
// number. Memory stays the same for any number of rows; excelize keeps the sheet in a temporary file until End.
type Writer struct {
	book    *excelize.File
	sheet   *excelize.StreamWriter
	columns []Column
	style   int
	row     int
}

// NewWriter begins a workbook with its header, which stays visible when a person scrolls. Close the Writer when done.
func NewWriter(sheet string, columns []Column) (*Writer, error) {
	w := &Writer{book: excelize.NewFile(), columns: columns}
	if err := w.begin(sheet); err != nil {
		return nil, errors.Join(fmt.Errorf("error beginning the workbook: %w", err), w.Close())
	}
	return w, nil
}

func (w *Writer) begin(sheet string) (err error) {
	if err = w.book.SetSheetName(scratchSheet, sheet); err != nil {
		return err
	}
	if err = w.book.SetDocProps(&excelize.DocProperties{Creator: Creator, LastModifiedBy: Creator}); err != nil {
		return err
	}
	if err = w.book.SetAppProps(&excelize.AppProperties{Application: Creator}); err != nil {
		return err
	}
	if w.style, err = w.book.NewStyle(&excelize.Style{NumFmt: textFormat}); err != nil {
		return err
	}
	if w.sheet, err = w.book.NewStreamWriter(sheet); err != nil {
		return err
	}
	return w.header()
}

func (w *Writer) header() error {
	bold, err := w.book.NewStyle(&excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	for i, c := range w.columns {
		if err := errors.Join(w.sheet.SetColWidth(i+1, i+1, c.Width), w.sheet.SetColStyle(i+1, i+1, w.style)); err != nil {
			return err
		}
	}
	err = w.sheet.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	if err != nil {
		return err
	}
	names := make([]string, len(w.columns))
	for i, c := range w.columns {
		names[i] = c.Name
	}
	return w.write(names, bold)
}

// Row writes the cells of the next row.
func (w *Writer) Row(cells []string) error {
	if w.row == MaxRows {
		return errors.New("a sheet of Excel has at most 1,048,576 rows, and these are more: write a .csv")
	}
	for i, cell := range cells {
		if why := unfit(cell); why != "" {
			return fmt.Errorf("the cell %s (%s) %s, which Excel can't hold: write a .csv", Reference(i, int64(w.row+1)), w.columns[i].Name, why)
		}
	}
	return w.write(cells, w.style)
}

func (w *Writer) write(cells []string, style int) error {
	w.row++
	row := make([]any, len(cells))
	for i, cell := range cells {
		if cell != "" {
			row[i] = excelize.Cell{StyleID: style, Value: cell}
		}
	}
	if err := w.sheet.SetRow(Reference(0, int64(w.row)), row); err != nil {
		return fmt.Errorf("error writing row %d: %w", w.row, err)
	}
	return nil
}

// unfit says why a text would be stored as another one.
func unfit(text string) string {
	if len(text) > maxText && len(utf16.Encode([]rune(text))) > maxText {
		return "has more than 32,767 characters"
	}
	if !utf8.ValidString(text) {
		return "is not UTF-8"
	}
	for _, r := range text {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff' {
			return fmt.Sprintf("has the control character U+%04X", r)
		}
	}
	return ""
}

// End writes the workbook. Without it nothing is written.
func (w *Writer) End(out io.Writer) error {
	if err := w.sheet.Flush(); err != nil {
		return fmt.Errorf("error ending the sheet: %w", err)
	}
	// excelize would write to a buffer first, which holds the whole file.
	w.book.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(out) })
	if err := w.book.Write(io.Discard); err != nil {
		return fmt.Errorf("error writing the workbook: %w", err)
	}
	return nil
}

// Close removes the temporary file.
func (w *Writer) Close() error { return w.book.Close() }
