package jobs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

// parkedReason is empty while the site is not parked.
func (b *testBundle) parkedReason(t testing.TB) string {
	t.Helper()
	site, err := b.SiteByID(t.Context(), b.site.ID)
	require.NoError(t, err)
	return deref(site.ParkedReason)
}

// untilStill waits until no call is in flight, and none is made for a second: a
// claim that is on its way when the site or batch is stopped may still send one.
// It returns how many calls there were.
func (b *testBundle) untilStill(t testing.TB) int {
	t.Helper()
	calls, since := -1, time.Now()
	until(t, "the end of the calls", func() bool {
		sending := value[int](t, b, `SELECT count(*)::int FROM rename WHERE site_id = $1 AND status = 'sending'`, b.site.ID)
		if n := b.api.Calls(); n != calls || sending > 0 {
			calls, since = n, time.Now()
		}
		return time.Since(since) > time.Second
	})
	return calls
}

// TestParks has the token refused in mid-run, and mended.
func TestParks(t *testing.T) {
	t.Parallel()

	const rows, concurrency = 40, 4
	for _, row := range []struct {
		name   string
		state  standin.TokenState
		status int
		reason string
	}{
		{"401", standin.TokenInvalid, 401, "the API refused the token (401): Request not authorized; set a working token"},
		{"403", standin.TokenForbidden, 403, "the token may not do this (403): OAuthForbidden"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			api := standin.Config{Assets: rows, Latency: 30 * time.Millisecond}
			b := setup(t, settings{api: api, concurrency: concurrency, lane: few(10)})
			other := b.besides(t, "other", api)
			b.startWith(t, b.DB, b.siteConfig(t), other.siteConfig(t))
			batch, otherBatch := b.load(t, names("new", 0, rows)), other.load(t, names("new", 0, rows))
			b.untilCalls(t, 10)
			b.api.SetToken(b.token, row.state)
			b.lift(t)
			other.lift(t)

			until(t, "the site's parking", func() bool { return b.parkedReason(t) != "" })
			require.Contains(t, b.parkedReason(t), row.reason)
			require.Contains(t, b.parkedReason(t), "restart it after a change")
			b.untilStill(t)
			refused := b.requireOnlyPendingAndSucceeded(t, batch, row.status)
			require.LessOrEqual(t, refused, concurrency, "only calls in flight follow the first refusal")
			require.Equal(t, b.parkedReason(t), deref(b.status(t, batch).ParkedReason), "the batch's status says why it stands")
			other.untilDone(t, otherBatch)
			require.Empty(t, other.parkedReason(t))

			b.api.SetToken(b.token, standin.TokenValid)
			unparked, err := b.UnparkSite(t.Context(), b.site.ID)
			require.NoError(t, err)
			require.True(t, unparked)
			b.untilDone(t, batch)
			s := b.status(t, batch)
			require.EqualValues(t, rows, s.Succeeded)
			require.EqualValues(t, rows+refused, s.Calls, "it goes on where it stopped")
			require.EqualValues(t, rows, other.status(t, otherBatch).Calls)
		})
	}
}

// requireOnlyPendingAndSucceeded returns how many calls were refused.
func (b *testBundle) requireOnlyPendingAndSucceeded(t testing.TB, batch int64, status int) int {
	t.Helper()
	refused := 0
	for _, c := range b.api.Log() {
		if c.Status == status {
			refused++
		}
	}
	s := b.status(t, batch)
	require.Equal(t, db.BatchActive, s.Status)
	require.Equal(t, s.Total, s.Pending+s.Succeeded)
	require.Zero(t, value[int](t, b, `SELECT sum(failures)::int FROM rename WHERE batch_id = $1`, batch), "it uses up no attempt")
	require.Equal(t, refused, value[int](t, b, `
		SELECT count(*)::int FROM attempt a JOIN rename r ON r.id = a.rename_id
		WHERE r.batch_id = $1 AND a.outcome = 'parked' AND a.http_status = $2`, batch, status))
	return refused
}

// TestNewTokenUnparks: a worker started with the refused token leaves the site
// parked, one with another goes on.
func TestNewTokenUnparks(t *testing.T) {
	t.Parallel()

	const fresh = testToken + "-fresh"
	b := setup(t, settings{api: standin.Config{Assets: 10, Tokens: []string{fresh}}})
	b.token = testToken
	pool := b.start(t)
	batch := b.load(t, names("new", 0, 10))
	until(t, "the site's parking", func() bool { return b.parkedReason(t) != "" })
	refused := b.untilStill(t)
	stop(t, pool)

	pool = b.start(t)
	b.untilStill(t)
	require.NotEmpty(t, b.parkedReason(t))
	require.Equal(t, refused, b.api.Calls())
	stop(t, pool)

	b.token = fresh
	b.start(t)
	b.untilDone(t, batch)
	require.EqualValues(t, 10, b.status(t, batch).Succeeded)
	require.Equal(t, refused+10, b.api.Calls())
	require.Empty(t, b.parkedReason(t))
}

// TestOldTokenStopsOnlyItself: a process whose token is refused while another one goes on
// with a new token holds its own claims, and names itself; it parks the site only
// when nobody else is left.
func TestOldTokenStopsOnlyItself(t *testing.T) {
	t.Parallel()

	const rows, fresh, concurrency = 60, testToken + "-fresh", 4
	b := setup(t, settings{
		api: standin.Config{Assets: rows, Tokens: []string{testToken, fresh}, Latency: 20 * time.Millisecond}, concurrency: concurrency,
	})
	b.start(t) // with the old token, as long as the test
	b.token = fresh
	current := b.startAnother(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilCalls(t, 10)
	b.api.SetToken(testToken, standin.TokenInvalid)
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Succeeded)
	require.LessOrEqual(t, b.refused(), concurrency, "only calls in flight follow the first refusal")
	require.Empty(t, b.parkedReason(t), "the site is not parked for who has the new token")
	host, _ := os.Hostname()
	require.Equal(t, fmt.Sprintf("process %d on %s", os.Getpid(), host), deref(b.siteNow(t).RefusedIn))
	require.Equal(t, b.siteNow(t).RefusedIn, b.status(t, batch).RefusedIn)

	unparked, err := b.UnparkSite(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.True(t, unparked)
	before := b.refused()
	again := b.load(t, names("newer", 0, rows))
	b.untilDone(t, again)
	require.EqualValues(t, rows, b.status(t, again).Succeeded)
	require.Empty(t, b.parkedReason(t), "a resume is not undone")
	require.LessOrEqual(t, b.refused()-before, concurrency)

	stop(t, current)
	last := b.load(t, names("newest", 0, rows))
	until(t, "the site's parking by the one that is left", func() bool { return b.parkedReason(t) != "" })
	require.Contains(t, b.parkedReason(t), fmt.Sprintf("; process %d on %s used that token: if it still runs, restart it", os.Getpid(), host))
	require.Nil(t, b.siteNow(t).RefusedIn)
	b.startAnother(t)
	b.untilDone(t, last)
	require.EqualValues(t, rows, b.status(t, last).Succeeded)
	require.Empty(t, b.parkedReason(t))
}

// refused counts the calls with a token that the API does not take.
func (b *testBundle) refused() (n int) {
	for _, c := range b.api.Log() {
		if c.Status == http.StatusUnauthorized {
			n++
		}
	}
	return n
}

func (b *testBundle) siteNow(t testing.TB) db.Site {
	t.Helper()
	site, err := b.SiteByID(t.Context(), b.site.ID)
	require.NoError(t, err)
	return site
}

// TestParkingWaitsForNobody: while somebody holds the site's row, the refused token
// makes no more calls, and all else in the process goes on.
func TestParkingWaitsForNobody(t *testing.T) {
	t.Parallel()

	const rows, concurrency = 2000, 16
	b := setup(t, settings{concurrency: concurrency, api: standin.Config{Assets: rows}})
	other := b.besides(t, "other", standin.Config{Assets: rows, Latency: 20 * time.Millisecond})
	arrived, open := b.dam(t)
	pool := b.startWith(t, dbtest.Open(t, b.url), b.siteConfig(t), other.siteConfig(t))
	b.load(t, names("new", 0, 100))
	for range concurrency {
		untilArrived(t, arrived)
	}
	holder := dbtest.Open(t, b.url)
	tx := dbtest.Begin(t, holder)
	_, err := tx.Exec(t.Context(), `SELECT FROM site WHERE id = $1 FOR UPDATE`, b.site.ID)
	require.NoError(t, err)

	b.api.SetToken(b.token, standin.TokenInvalid)
	open()
	b.untilCalls(t, concurrency)
	since := value[time.Time](t, b, `SELECT clock_timestamp()`)
	otherBatch := other.load(t, names("new", 0, rows))
	other.untilCalls(t, rows/10)
	until(t, "two heartbeats", func() bool {
		return value[bool](t, b, `SELECT heartbeat_at > $2::timestamptz + interval '5 s' FROM process WHERE id = $1`, pool.ProcessID(), since)
	})
	require.Empty(t, b.parkedReason(t))
	require.Equal(t, concurrency, b.api.Calls(), "no call with the token while its refusal is not written")
	require.Positive(t, value[int](t, b, `SELECT count(*)::int FROM rename WHERE site_id = $1 AND status = 'sending'`, b.site.ID),
		"its renames are not fed before that")

	require.NoError(t, tx.Commit(t.Context()))
	until(t, "the site's parking", func() bool { return b.parkedReason(t) != "" })
	b.untilStill(t)
	require.Equal(t, concurrency, b.api.Calls())
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM event WHERE kind = 'site parked' AND site_id = $1`, b.site.ID))
	other.untilDone(t, otherBatch)
}

// TestParkingEndsWithThePool: a stop does not wait for the site's row.
func TestParkingEndsWithThePool(t *testing.T) {
	t.Parallel()

	const concurrency = 4
	b := setup(t, settings{concurrency: concurrency, api: standin.Config{Assets: 20}})
	arrived, open := b.dam(t)
	pool := b.startWith(t, dbtest.Open(t, b.url), b.siteConfig(t))
	batch := b.load(t, names("new", 0, 20))
	untilArrived(t, arrived)
	tx := dbtest.Begin(t, b)
	_, err := tx.Exec(t.Context(), `SELECT FROM site WHERE id = $1 FOR UPDATE`, b.site.ID)
	require.NoError(t, err)
	b.api.SetToken(b.token, standin.TokenInvalid)
	open()
	b.untilCalls(t, 1)
	began := time.Now()
	stop(t, pool)
	require.Less(t, time.Since(began), callTime)
	b.requireNothingLeft(t)
	require.EqualValues(t, 20, b.status(t, batch).Pending)
}

// TestSlowRefusalBesideResume: a call that was sent before the site was resumed says
// nothing of the token as it is now.
func TestSlowRefusalBesideResume(t *testing.T) {
	t.Parallel()

	const rows = 4
	b := setup(t, settings{concurrency: 1, api: standin.Config{Assets: rows}})
	arrived, open := b.dam(t)
	site := b.siteConfig(t)
	b.startWith(t, b.DB, site)
	batch := b.load(t, names("new", 0, rows))
	untilArrived(t, arrived)
	require.NoError(t, b.ParkSite(t.Context(), b.site.ID, site.Lane.Fingerprint, "401"))
	_, err := b.UnparkSite(t.Context(), b.site.ID)
	require.NoError(t, err)
	// Ages are known as exactly as the database answers quickly: the resume is well between the call and its answer.
	b.exec(t, `UPDATE event SET at = at + interval '2 s' WHERE kind = 'site unparked'`)
	<-time.After(4 * time.Second)
	b.api.FailNext(standin.Status(http.StatusUnauthorized))
	open()
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Succeeded)
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM event WHERE kind = 'site parked' AND site_id = $1`, b.site.ID))
}

// dam puts a gate before the stand-in, for pools that are started from now on: all
// calls wait there until it is opened, and tell that they have come.
func (b *testBundle) dam(t testing.TB) (arrived <-chan struct{}, open func()) {
	t.Helper()
	came, opened := make(chan struct{}, 1000), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-opened
		b.api.ServeHTTP(w, r)
	}))
	open = sync.OnceFunc(func() { close(opened) })
	t.Cleanup(server.Close)
	t.Cleanup(open)
	b.baseURL = server.URL + "/v2"
	return came, open
}

// TestSitesShareALane: two sites with one token share its limit.
func TestSitesShareALane(t *testing.T) {
	t.Parallel()

	const rows, limit, window = 40, 20, time.Second
	b := setup(t, settings{
		api:  standin.Config{Assets: rows, Limit: limit, Window: window, Seed: 5},
		lane: db.LaneSettings{Limit: limit, Window: window, Fixed: true},
	})
	other := b.besides(t, "other", standin.Config{})
	other.token, other.api = b.token, b.api
	b.startWith(t, b.DB, b.siteConfig(t), other.siteConfig(t))
	batch, otherBatch := b.load(t, names("new", 0, rows/2)), other.load(t, names("new", rows/2, rows))
	b.untilDone(t, batch)
	b.untilDone(t, otherBatch)
	require.LessOrEqual(t, b.api.MaxInWindow(window), limit)
	require.Zero(t, b.status(t, batch).RateLimited+b.status(t, otherBatch).RateLimited)
}
