package cli

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/jobs"
)

// It runs alone: GOGC belongs to the process.
func TestFastSiteCollectsLess(t *testing.T) { //nolint:paralleltest // as said
	limited := jobs.SiteConfig{Lane: db.LaneSettings{Limit: 60}}
	tests := map[string]struct {
		sites []jobs.SiteConfig
		calls int
		env   map[string]string
		want  int
	}{
		"no limit":             {[]jobs.SiteConfig{limited, {}}, 100, nil, fastGC},
		"a limit":              {[]jobs.SiteConfig{limited}, 100, nil, 100},
		"the default calls":    {[]jobs.SiteConfig{{}}, jobs.DefaultConcurrency, nil, 100},
		"the user has set one": {[]jobs.SiteConfig{{}}, 100, map[string]string{"GOGC": "50"}, 100},
	}
	for name, tt := range tests {
		before := debug.SetGCPercent(100)
		a := &app{Params: Params{LookupEnv: func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok }}}
		a.collectLess(tt.sites, workFlags{concurrency: tt.calls})
		require.Equal(t, tt.want, debug.SetGCPercent(before), name)
	}
}
