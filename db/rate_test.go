package db_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"relabel/db"
)

// sharedRates is what sites of one token want, and what it may do then.
func sharedRates() map[string]struct {
	sites []string
	want  string
} {
	return map[string]struct {
		sites []string
		want  string
	}{
		"unset":                          {[]string{""}, "learn/1m0s"},
		"unset and unset":                {[]string{"", ""}, "learn/1m0s"},
		"unset and learn":                {[]string{"", "learn"}, "learn/1m0s"},
		"learn, two windows":             {[]string{"learn/2s", "learn/10s"}, "learn/10s"},
		"none":                           {[]string{"none"}, "none"},
		"none and none":                  {[]string{"none", "none"}, "none"},
		"none and unset":                 {[]string{"none", ""}, "learn/1m0s"},
		"none and learn":                 {[]string{"none", "learn/5s"}, "learn/5s"},
		"a limit":                        {[]string{"60/1m"}, "60/1m0s"},
		"a limit and unset":              {[]string{"60/1m", ""}, "60/1m0s"},
		"a limit and learn":              {[]string{"60/1m", "learn"}, "60/1m0s"},
		"a limit and a learner's window": {[]string{"2/1s", "learn/1m"}, "2/1s"},
		"a limit and none":               {[]string{"60/1m", "none"}, "60/1m0s"},
		"a limit, none and unset":        {[]string{"60/1m", "none", ""}, "60/1m0s"},
		"the same limit":                 {[]string{"60/1m", "60/1m"}, "60/1m0s"},
		"the lower one":                  {[]string{"60/1m", "30/1m"}, "30/1m0s"},
		"the lowest of three":            {[]string{"60/1m", "30/1m", "120/1m"}, "30/1m0s"},
		"the same rate, longer":          {[]string{"60/1m", "120/2m"}, "60/1m0s"},
		"the lower rate, longer":         {[]string{"60/1m", "60/2m"}, "60/2m0s"},
		"the lower rate, shorter":        {[]string{"600/1m", "2/1s"}, "2/1s"},
		"neither within the other":       {[]string{"60/1m", "2/1s"}, "1/1s"},
		"less than one in the shorter":   {[]string{"5/1m", "2/1s"}, "2/1m0s"},
		"no multiple of the other":       {[]string{"10/3s", "10/2s"}, "10/3s"},
		"an hour's":                      {[]string{"1000/1h", "60/1m"}, "16/1m0s"},
	}
}

func TestCommonRate(t *testing.T) {
	t.Parallel()
	for name, tt := range sharedRates() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rates []db.Rate
			for _, s := range tt.sites {
				r, err := db.ParseRate(s)
				require.NoError(t, err)
				again, err := db.ParseRate(r.String())
				require.NoError(t, err)
				require.Equal(t, r, again)
				rates = append(rates, r)
			}
			require.Equal(t, tt.want, db.CommonRate(rates).String())
		})
	}
}

// The common limit, used to the full, breaks none of those that it comes from: in a
// window of one of them there is room for no more of its own windows than that.
func TestCommonRateBreaksNone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rates := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) db.Rate {
			return db.Rate{
				Calls: rapid.IntRange(1, 200).Draw(rt, "calls"), Fixed: true,
				Window: time.Duration(rapid.IntRange(1, 300).Draw(rt, "window")) * time.Second,
			}
		}), 1, 4).Draw(rt, "rates")
		common := db.CommonRate(rates)
		require.Positive(rt, common.Calls)
		for _, r := range rates {
			// All calls at the beginning of each of its windows is the worst there is.
			most := 0
			for at := time.Duration(0); at < r.Window; at += common.Window {
				most += common.Calls
			}
			require.LessOrEqual(rt, most, r.Calls, "%s of %v", common, rates)
		}
	})
}
