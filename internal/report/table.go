package report

import (
	"io"
	"iter"
	"path/filepath"
	"strings"

	"relabel/internal/xlsx"
)

// The formats of rows.
const (
	FormatCSV   = "csv"
	FormatJSONL = "jsonl"
	FormatXLSX  = "xlsx"
)

// FormatOf is the format of a table by the name of its file: a workbook if that ends in .xlsx, else a CSV.
func FormatOf(path string) string {
	if strings.EqualFold(filepath.Ext(path), ".xlsx") {
		return FormatXLSX
	}
	return FormatCSV
}

// table is what rows are written as.
type table[T any] struct {
	name   string // of the sheet of a workbook
	header []string
	record func(*T) []string
}

// write writes the header and the rows, and counts the rows. It takes constant memory.
func (t table[T]) write(w io.Writer, format string, rows iter.Seq2[T, error]) (int64, error) {
	if format == FormatXLSX {
		return t.writeXLSX(w, rows)
	}
	return t.writeCSV(w, rows)
}

func (t table[T]) writeXLSX(out io.Writer, rows iter.Seq2[T, error]) (int64, error) {
	w, err := xlsx.NewWriter(t.name, sheetColumns(t.header))
	if err != nil {
		return 0, err
	}
	defer w.Close() //nolint:errcheck // removes a temporary file
	n, err := writeEach(rows, func(r *T) error { return w.Row(t.record(r)) })
	if err != nil {
		return n, err
	}
	return n, w.End(out)
}

// sheetColumns makes columns as wide as most of their texts.
func sheetColumns(names []string) []xlsx.Column {
	widths := map[string]float64{
		"line": 8, "asset_id": 28, "locale_id": 28, "display_name": 40, "found_name": 40, "applied_name": 40, "original_file_name": 40,
		"alt_text": 50, "found_alt_text": 50, "error": 50, "hosted_url": 60, "folder": 24, "finished_at": 22, "last_updated": 22,
	}
	columns := make([]xlsx.Column, len(names))
	for i, name := range names {
		columns[i] = xlsx.Column{Name: name, Width: max(widths[name], 14)}
	}
	return columns
}
