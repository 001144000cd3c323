package pg

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewestMovesForward(t *testing.T) {
	t.Parallel()
	at := func(system string, timeline int64) lineage { return lineage{system, timeline} }
	tests := map[string]struct {
		seen  []lineage
		stale bool // the last one
	}{
		"the same again":                {[]lineage{at("a", 1), at("a", 1)}, false},
		"a promoted standby":            {[]lineage{at("a", 1), at("a", 2)}, false},
		"the old primary comes back":    {[]lineage{at("a", 1), at("a", 2), at("a", 1)}, true},
		"its promotion was missed":      {[]lineage{at("a", 1), at("a", 5), at("a", 4)}, true},
		"an old one changes nothing":    {[]lineage{at("a", 3), at("a", 1), at("a", 2)}, true},
		"another cluster":               {[]lineage{at("a", 7), at("b", 1)}, false},
		"no timeline":                   {[]lineage{at("a", 2), at("", 0)}, false},
		"one without a timeline before": {[]lineage{at("a", 2), at("", 0), at("a", 1)}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n newest
			var err error
			for _, l := range tt.seen {
				err = n.see(l)
			}
			require.Equal(t, tt.stale, err != nil, "%v", err)
		})
	}
}
