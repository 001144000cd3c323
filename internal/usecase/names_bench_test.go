package usecase_test

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/usecase"
)

// BenchmarkResolve loads 1,000,000 rows that name 50,000 assets: memory does not grow
// with the rows.
func BenchmarkResolve(b *testing.B) {
	const assets, rows = 50_000, 1_000_000
	d := dbtest.New(b)
	site, err := d.SiteByName(b.Context(), db.DefaultSite)
	require.NoError(b, err)
	dbtest.Exec(b, d, `
		INSERT INTO asset_state (site_id, asset_id, display_name, read_at)
		SELECT $1, lpad(to_hex(i), 24, '0'), 'asset-' || i || '.jpg', now() FROM generate_series(1, $2::int) i`, site.ID, assets)
	require.NoError(b, d.SaveReading(b.Context(), site.ID, db.SiteReading{BeganAt: time.Now().Add(-time.Minute), Assets: assets}))
	use := &usecase.Service{DB: d}
	for b.Loop() {
		r, w := io.Pipe()
		go func() {
			buf := bufio.NewWriter(w)
			fmt.Fprintln(buf, "current_name,display_name")
			for i := range rows {
				fmt.Fprintf(buf, "asset-%d.jpg,new %d.jpg\n", i%assets+1, i)
			}
			_ = w.CloseWithError(buf.Flush())
		}()
		var most uint64
		out, err := use.Load(b.Context(), usecase.Actor{}, usecase.LoadParams{
			Site: site, Planned: true, Source: usecase.Source{Input: r, InputName: "names.csv"},
			Read: func(n int64) {
				if n%100_000 == 0 {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
			},
		})
		require.NoError(b, err)
		require.EqualValues(b, rows, out.Rows)
		b.ReportMetric(float64(most)/(1<<20), "MiB")
	}
}
