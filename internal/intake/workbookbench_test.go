package intake

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/xlsx"
)

// workbookRows is about what a sheet of Excel holds.
const workbookRows = 1_000_000

// Rows a second, and the most memory that the process took, for a sheet as relabel writes it (texts in the cells) and as
// Excel saves it (all texts shared).
func BenchmarkWorkbook(b *testing.B) {
	for name, write := range map[string]func(testing.TB, io.Writer){"relabel": writeInline, "excel": writeShared} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "names.xlsx")
			f, err := os.Create(path)
			require.NoError(b, err)
			write(b, f)
			require.NoError(b, f.Close())
			runtime.GC()
			var peak uint64
			for b.Loop() {
				peak = max(peak, readWorkbookFile(b, path))
			}
			b.ReportMetric(float64(workbookRows*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		})
	}
}

func readWorkbookFile(b *testing.B, path string) (peak uint64) {
	f, err := OpenFile(path, CSVParams{})
	require.NoError(b, err)
	n := 0
	for rows, err := range f.Chunks(b.Context()) {
		require.NoError(b, err)
		require.Empty(b, rows[0].Problems)
		if n += len(rows); n%50_000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.Sys-m.HeapReleased)
		}
	}
	require.Equal(b, workbookRows, n)
	require.NoError(b, f.Close())
	return peak
}

func workbookRow(i int) []string {
	return []string{
		fmt.Sprintf("63f1a2b3%016x", i), fmt.Sprintf("Summer campaign hero image %d.jpg", i), fmt.Sprintf("A bench under cherry tree number %d, in the park", i),
		"", fmt.Sprintf("IMG_%d.jpg", i), "image/jpeg", fmt.Sprint(i * 7), fmt.Sprintf("https://cdn.prod.website-files.com/65a1f2c3d4e5f60718293a4b/%024x_IMG_%d.jpg", i, i),
	}
}

func writeInline(b testing.TB, out io.Writer) {
	var columns []xlsx.Column
	for _, name := range PullColumns() {
		columns = append(columns, xlsx.Column{Name: name, Width: 20})
	}
	w, err := xlsx.NewWriter("Assets", columns)
	require.NoError(b, err)
	for i := range workbookRows {
		require.NoError(b, w.Row(workbookRow(i)))
	}
	require.NoError(b, w.End(out))
	require.NoError(b, w.Close())
}

func writeShared(b testing.TB, out io.Writer) {
	z := zip.NewWriter(out)
	part := func(name string, write func(w *bufio.Writer)) {
		f, err := z.Create(name)
		require.NoError(b, err)
		w := bufio.NewWriter(f)
		write(w)
		require.NoError(b, w.Flush())
	}
	text := func(text string) func(w *bufio.Writer) { return func(w *bufio.Writer) { _, _ = w.WriteString(text) } }
	const kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
	part("xl/workbook.xml", text(`<workbook><sheets><sheet name="Assets" id="a"/></sheets></workbook>`))
	part("xl/_rels/workbook.xml.rels", text(`<Relationships><Relationship Id="a" Type="`+kind+`worksheet" Target="s.xml"/><Relationship Id="b" Type="`+kind+`sharedStrings" Target="t.xml"/></Relationships>`))
	part("xl/t.xml", func(w *bufio.Writer) {
		_, _ = w.WriteString("<sst>")
		eachSharedRow(func(row []string) {
			for _, cell := range row {
				fmt.Fprintf(w, "<si><t>%s</t></si>", cell)
			}
		})
		_, _ = w.WriteString("</sst>")
	})
	part("xl/s.xml", func(w *bufio.Writer) {
		_, _ = w.WriteString("<worksheet><sheetData>")
		line, number := int64(0), 0
		eachSharedRow(func(row []string) {
			line++
			fmt.Fprintf(w, `<row r="%d" spans="1:8">`, line)
			for i := range row {
				fmt.Fprintf(w, `<c r="%s" s="1" t="s"><v>%d</v></c>`, xlsx.Reference(i, line), number)
				number++
			}
			_, _ = w.WriteString("</row>")
		})
		_, _ = w.WriteString("</sheetData></worksheet>")
	})
	require.NoError(b, z.Close())
}

func eachSharedRow(do func([]string)) {
	do(PullColumns())
	for i := range workbookRows {
		do(workbookRow(i))
	}
}
