package schedule

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// What a night costs, by the stand-in's own log: a read for 100 assets of a locale, a
// write for each difference, and a read of the site for its locales' tags. So 50,000
// assets in 3 locales with 200 differences, the example of the documents, are 1,501 reads
// and 200 writes; a fifth of the assets shows it in a fifth of the time.
func TestCallsOfANight(t *testing.T) {
	t.Parallel()
	const assets, differ, page = 10_000, 200, 100
	b := setup(t, assets)
	locales := []struct{ tag, id string }{{"en", ""}, {"fr-FR", standin.FrenchLocale}, {"de-DE", standin.GermanLocale}}
	name := func(i int, tag string) string { return fmt.Sprintf("%s %s", wanted(i), tag) }
	different := map[string]bool{}
	b.writeRows("asset_id,display_name,locale", func(w io.Writer) {
		for i := range assets {
			id := standin.AssetID(i)
			for n, l := range locales {
				fmt.Fprintf(w, "%s,%s,%s\n", id, name(i, l.tag), l.tag)
				if (i*len(locales)+n)%(assets*len(locales)/differ) == 0 {
					b.api.SetName(id, l.id, "by hand")
					different[id+"/"+l.id] = true
					continue
				}
				b.api.SetName(id, l.id, name(i, l.tag))
			}
		}
	})
	require.Len(t, different, differ)
	pages := assets * len(locales) / page
	b.add(func(s *scheduledb.Schedule) { s.Locales = []string{"en", "fr-FR", "de-DE"} })
	run := b.run(at2(1), "done")
	require.EqualValues(t, assets*len(locales), run.LookedAt)
	require.EqualValues(t, differ, run.Different)
	require.EqualValues(t, differ, run.Renamed)
	require.EqualValues(t, differ, run.Writes)
	require.EqualValues(t, pages+1, run.Reads)
	sent := map[string]bool{}
	lists := 0
	for _, c := range b.api.Log() {
		switch {
		case c.Method == "PATCH":
			sent[c.Target()] = true
		case c.Path == "/v2/sites/"+standin.SiteID+"/assets":
			lists++
		}
	}
	require.Equal(t, pages, lists)
	require.Equal(t, different, sent, "and each of those once")
	require.Equal(t, map[string]int{"GET": pages + 1, "PATCH": differ}, b.calls())
	t.Logf("the run took %s", run.Duration())
}
