package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
)

// writeBuffer saves system calls when millions of rows are written.
const writeBuffer = 64 << 10

// writeCSV writes a header and rows, and counts the rows. It takes constant memory.
func writeCSV[T any](w io.Writer, header []string, rows iter.Seq2[T, error], record func(*T) []string) (int64, error) {
	c := csv.NewWriter(bufio.NewWriterSize(w, writeBuffer)) // csv uses a buffer this large as its own
	if err := c.Write(header); err != nil {
		return 0, err
	}
	n, err := writeEach(rows, func(r *T) error { return c.Write(record(r)) })
	if err != nil {
		return n, err
	}
	c.Flush()
	return n, c.Error()
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
