package rule

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"
)

// BenchmarkApply works a rule out for a million assets that all match.
func BenchmarkApply(b *testing.B) {
	const assets = 1_000_000
	all := iter.Seq2[Asset, error](func(yield func(Asset, error) bool) {
		for i := range assets {
			if !yield(Asset{ID: fmt.Sprintf("%024x", i), Name: fmt.Sprintf("IMG_%d.jpg", i), Original: "x.jpg", Created: time.Unix(int64(i), 0)}, nil) {
				return
			}
		}
	})
	r := Rule{Match: Match{Names: []string{"IMG_*"}}, Change: Change{Template: "hero-{n:07}-{stem|slug}{ext}"}}
	for b.Loop() {
		res, err := r.ApplyTo(all)
		if err != nil || len(res.Renames) != assets {
			b.Fatal(err, len(res.Renames))
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-result")
		b.ReportMetric(float64(m.Sys)/1e6, "MB-most")
		runtime.KeepAlive(res)
	}
}
