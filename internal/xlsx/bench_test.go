package xlsx

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rows a second, and the most memory that the process took, for as many rows as a sheet holds.
func BenchmarkWriter(b *testing.B) {
	const rows = MaxRows - 1
	columns := make([]Column, 8)
	for i := range columns {
		columns[i] = Column{Name: fmt.Sprint("column ", i), Width: 20}
	}
	var peak uint64
	for b.Loop() {
		w, err := NewWriter("Assets", columns)
		require.NoError(b, err)
		for i := range rows {
			if i%50_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.Sys-m.HeapReleased)
			}
			require.NoError(b, w.Row([]string{
				fmt.Sprintf("63f1a2b3%016x", i), fmt.Sprintf("Summer campaign hero image %d.jpg", i), "A bench in the park",
				"", fmt.Sprintf("IMG_%d.jpg", i), "image/jpeg", fmt.Sprint(i * 7), fmt.Sprintf("https://cdn.prod.website-files.com/%024x_IMG_%d.jpg", i, i),
			}))
		}
		require.NoError(b, w.End(io.Discard))
		require.NoError(b, w.Close())
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
}
