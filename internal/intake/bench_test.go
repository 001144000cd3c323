package intake

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"
)

// benchRows is the size of a large real job.
const benchRows = 200_000

// rowSource writes a CSV of n rows without holding it.
type rowSource struct {
	n, at int
	row   func(i int) string
	rest  []byte
}

func (s *rowSource) Read(p []byte) (int, error) {
	for len(s.rest) < len(p) && s.at < s.n {
		s.rest = append(s.rest, s.row(s.at)...)
		s.at++
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[:copy(s.rest, s.rest[n:])]
	return n, nil
}

func typicalRow(i int) string {
	if i == 0 {
		return "asset_id,display_name,locale_id\n"
	}
	return fmt.Sprintf("63f1a2b3%016x,Summer campaign hero image %d.jpg,65427cf400e02b306eaa049f\n", i, i)
}

func quotedRow(i int) string {
	if i == 0 {
		return "\"asset_id\",\"display_name\",\"alt_text\"\n"
	}
	return fmt.Sprintf("\"63f1a2b3%016x\",\"Été, \"\"n° %d\"\" 😀.jpg\",\"A dog, a cat\nand a bird\"\n", i, i)
}

// Rows a second, of the text in memory; the rest of a load (COPY) is measured where it is done.
func BenchmarkCSV(b *testing.B) {
	for _, bench := range []struct {
		name string
		row  func(int) string
		wrap func(testing.TB, string) string
	}{
		{"typical", typicalRow, nil}, {"quoted", quotedRow, nil}, {"utf16", typicalRow, inUTF16}, {"gzip", typicalRow, inGzip},
	} {
		text, err := io.ReadAll(&rowSource{n: benchRows + 1, row: bench.row})
		require.NoError(b, err)
		if bench.wrap != nil {
			text = []byte(bench.wrap(b, string(text)))
		}
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", bench.name, workers), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					benchmarkRead(b, text, workers)
				}
				b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

func inUTF16(t testing.TB, text string) string { return encodeUTF16(t, text, unicode.LittleEndian) }

func inGzip(t testing.TB, text string) string { return zipped(t, text) }

func benchmarkRead(b *testing.B, text []byte, workers int) {
	csv, err := NewCSV(&onlyReader{text}, CSVParams{workers: workers})
	require.NoError(b, err)
	n := 0
	for rows, err := range csv.Chunks(context.Background()) {
		require.NoError(b, err)
		for i := range rows {
			if rows[i].Refused() {
				b.Fatal(rows[i].Problems)
			}
		}
		n += len(rows)
	}
	require.Equal(b, benchRows, n)
}

// onlyReader is a bytes.Reader without its other methods.
type onlyReader struct{ text []byte }

func (r *onlyReader) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}
