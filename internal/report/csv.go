package report

import (
	"bufio"
	"encoding/csv"
	"io"
	"iter"
)

// bufferSize saves system calls when millions of rows are written.
const bufferSize = 64 << 10

// writeCSV writes rows below a header, and counts them. It takes constant memory.
func writeCSV[T any](w io.Writer, header []string, rows iter.Seq2[T, error], record func(*T) []string) (n int64, err error) {
	buf := bufio.NewWriterSize(w, bufferSize)
	c := csv.NewWriter(buf)
	if err := c.Write(header); err != nil {
		return 0, err
	}
	for r, err := range rows {
		if err == nil {
			err = c.Write(record(&r))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return n, err
	}
	return n, buf.Flush()
}
