package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// A site that joins a running pool is worked from then on. When it leaves, its call in
// flight ends, no other begins, and the other sites go on. It may join again.
func TestSiteJoinsAndLeaves(t *testing.T) {
	t.Parallel()

	const rows = 5
	b := setup(t, settings{api: standin.Config{Assets: rows}, concurrency: 1, times: jobs.Times{FeedEvery: 200 * time.Millisecond}})
	other := b.besides(t, "other", standin.Config{Assets: rows})
	arrived, open := other.gate(t)
	pool := b.start(t)
	batch := other.load(t, names("new", 0, rows))
	quiet(t, time.Second, "a call for a site that is not worked", func() bool { return other.api.Calls() == 0 })

	require.NoError(t, pool.Add(t.Context(), other.siteConfig(t), nil))
	untilArrived(t, arrived)
	require.Equal(t, []string{db.DefaultSite, "other"}, b.workedSites(t))

	left := make(chan struct{})
	go func() {
		defer close(left)
		pool.Remove(t.Context(), other.site, nil)
	}()
	quiet(t, time.Second, "the site is left while its call is in flight", func() bool {
		select {
		case <-left:
			return false
		default:
			return true
		}
	})
	b.untilDone(t, b.load(t, names("new", 0, rows))) // nobody waits for the site that leaves
	open()
	<-left
	require.Equal(t, []string{db.DefaultSite}, b.workedSites(t))
	s := other.status(t, batch)
	require.EqualValues(t, 1, s.Succeeded, "its call in flight ended")
	require.EqualValues(t, rows-1, s.Pending)
	quiet(t, time.Second, "a call for a site that was left", func() bool { return other.api.Calls() == 1 })
	pool.Remove(t.Context(), other.site, nil) // leaving twice is leaving once

	require.NoError(t, pool.Add(t.Context(), other.siteConfig(t), nil))
	other.untilDone(t, batch)
	require.Equal(t, rows, other.api.Calls(), "nothing is sent twice")
	stop(t, pool)
	b.requireNothingLeft(t)
}

// workedSites are the names of the sites that processes work, by their heartbeats.
func (b *testBundle) workedSites(t testing.TB) []string {
	t.Helper()
	return value[[]string](t, b, `
		SELECT array_agg(name ORDER BY name) FROM site
		WHERE EXISTS (SELECT FROM process WHERE site.id = ANY (process.sites))`)
}

// The sites of one token share its lane, which ends with the last of them.
func TestSiteOfSharedTokenLeaves(t *testing.T) {
	t.Parallel()

	const rows = 5
	b := setup(t, settings{api: standin.Config{Assets: rows}})
	other := b.besides(t, "other", standin.Config{Assets: rows, Tokens: []string{testToken}})
	other.token = testToken
	pool := b.start(t)
	require.NoError(t, pool.Add(t.Context(), other.siteConfig(t), nil))
	other.untilDone(t, other.load(t, names("new", 0, rows)))
	pool.Remove(t.Context(), b.site, nil)
	other.untilDone(t, other.load(t, names("newer", 0, rows)))
	pool.Remove(t.Context(), other.site, nil)

	batch := b.load(t, names("new", 0, rows))
	require.NoError(t, pool.Add(t.Context(), b.siteConfig(t), nil))
	b.untilDone(t, batch)
}

// A site that can't join leaves nothing behind, and may join later.
func TestSiteThatCannotJoin(t *testing.T) {
	t.Parallel()

	const rows = 5
	b := setup(t, settings{api: standin.Config{Assets: rows}})
	other := b.besides(t, "other", standin.Config{Assets: rows})
	resting, err := jobs.NewPool(t.Context(), jobs.Config{DB: b.DB, Logger: b.logs.logger()})
	require.NoError(t, err)
	require.ErrorContains(t, resting.Add(t.Context(), other.siteConfig(t), nil), "the workers have not started")

	pool := b.start(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, pool.Add(gone, other.siteConfig(t), nil), context.Canceled)
	err = pool.Add(t.Context(), other.siteConfig(t), map[string]int{"no name of a queue": 1})
	require.ErrorContains(t, err, "error working the queue no name of a queue")
	require.Equal(t, []string{db.DefaultSite}, b.workedSites(t))

	batch := other.load(t, names("new", 0, rows))
	quiet(t, time.Second, "a call for a site that did not join", func() bool { return other.api.Calls() == 0 })
	require.NoError(t, pool.Add(t.Context(), other.siteConfig(t), map[string]int{"other_kind": 1}))
	other.untilDone(t, batch)
	pool.Remove(t.Context(), other.site, []string{"other_kind"})
	require.Equal(t, []string{db.DefaultSite}, b.workedSites(t))

	stop(t, pool)
	require.ErrorContains(t, pool.Add(t.Context(), other.siteConfig(t), nil), "or are stopping")
}
