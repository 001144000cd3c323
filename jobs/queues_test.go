package jobs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/jobs"
)

// A process of many sites works the queues of those that have something to do: it joins
// one within the time of a resumed batch, leaves it later, and joins it again.
func TestManySitesJoinTheirQueues(t *testing.T) {
	t.Parallel()
	const more, rows = 40, 3
	b := setup(t, settings{
		api:   standin.Config{Assets: rows},
		times: jobs.Times{FeedEvery: 200 * time.Millisecond, QueueIdle: time.Second},
	})
	all := []*testBundle{b}
	sites := []jobs.SiteConfig{b.siteConfig(t)}
	for i := range more {
		one := b.besides(t, fmt.Sprintf("site-%02d", i), standin.Config{Assets: rows})
		all, sites = append(all, one), append(sites, one.siteConfig(t))
	}
	pool := b.startWith(t, b.DB, sites...)
	const always = 32
	require.Equal(t, always, pool.Joined())
	for round := range 2 {
		batches := map[*testBundle]int64{}
		for _, one := range all {
			batches[one] = one.load(t, names(fmt.Sprint(round), 0, rows))
		}
		for one, batch := range batches {
			one.untilDone(t, batch)
			require.EqualValues(t, rows, one.status(t, batch).Succeeded, one.site.Name)
		}
		until(t, "the leaving of idle queues", func() bool { return pool.Joined() == always })
	}
}
