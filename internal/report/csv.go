package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"

	"relabel/internal/intake"
)

// writeBuffer saves system calls when millions of rows are written.
const writeBuffer = 64 << 10

func (t table[T]) writeCSV(w io.Writer, rows iter.Seq2[T, error]) (int64, error) {
	c := csv.NewWriter(bufio.NewWriterSize(w, writeBuffer)) // csv uses a buffer this large as its own
	if err := c.Write(t.header); err != nil {
		return 0, err
	}
	n, err := writeEach(rows, func(r *T) error { return c.Write(neutral(t.record(r))) })
	if err != nil {
		return n, err
	}
	c.Flush()
	return n, c.Error()
}

// neutral makes cells safe to open in a spreadsheet. The cells of a workbook need no such care.
func neutral(cells []string) []string {
	for i, cell := range cells {
		cells[i] = intake.Neutralise(cell)
	}
	return cells
}

// writeJSONL writes one JSON object a line, and counts them.
func writeJSONL[T any](w io.Writer, rows iter.Seq2[T, error]) (int64, error) {
	buf := bufio.NewWriterSize(w, writeBuffer)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	n, err := writeEach(rows, func(r *T) error { return enc.Encode(r) })
	if err != nil {
		return n, err
	}
	return n, buf.Flush()
}

func writeEach[T any](rows iter.Seq2[T, error], write func(*T) error) (n int64, err error) {
	for r, err := range rows {
		if err == nil {
			err = write(&r)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
