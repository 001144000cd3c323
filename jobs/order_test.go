package jobs_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
	"relabel/jobs"
)

// TestNewerWaitsForCallInFlight loads a newer name while the older one's call is
// on its way.
func TestNewerWaitsForCallInFlight(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name  string
		fault standin.Fault
		error string // of the older one
	}{
		{"that succeeds", standin.Fault{}, ""},
		{"that the API refuses", standin.Status(400), "validation_error: Validation Error"},
		{"that would be tried again", standin.Status(409), "conflict: Conflict with the current state of the resource"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, settings{api: standin.Config{Assets: 1}})
			b.api.FailAsset(standin.AssetID(0), row.fault)
			arrived, open := b.gate(t)
			b.start(t)
			older := b.load(t, []want{{0, "older"}})
			untilArrived(t, arrived)
			newer := b.load(t, []want{{0, "newer"}})
			require.EqualValues(t, 1, b.status(t, older).Sending, "marked, and still in flight")
			quiet(t, time.Second, "the newer one waits", func() bool { return b.api.Calls() == 0 })
			open()
			b.untilDone(t, newer)
			b.untilDone(t, older)
			was, is := b.only(t, older), b.only(t, newer)
			require.Equal(t, "superseded", was.Status)
			require.Equal(t, is.ID, deref(was.SupersededBy))
			require.Equal(t, 1, was.Calls)
			require.Equal(t, row.error, deref(was.Error))
			require.Equal(t, "succeeded", is.Status)
			require.Equal(t, []string{"older", "newer"}, b.sent(0))
			require.Empty(t, b.api.Overlaps(0), "one after the other")
			require.Equal(t, "newer", b.name(0))
		})
	}
}

// TestNewerWaitsOutQuarantine loads a newer name after the older one's call was
// sent and its outcome is unknown: it might still land.
func TestNewerWaitsOutQuarantine(t *testing.T) {
	t.Parallel()

	const quarantine = 3 * time.Second // a call's time
	for _, row := range []struct {
		name  string
		fault standin.Fault
		apart time.Duration // the two calls' arrivals
	}{
		{"no answer in time", standin.Hang(), 2*quarantine - time.Second}, // less its way to the API
		{"a reset", standin.ResetBeforeHeaders(), quarantine},
		{"a reset in the body", standin.ResetInBody(), quarantine},
		{"a gateway that gave up", standin.Gateway(504, ""), quarantine},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, settings{api: standin.Config{Assets: 1}, callTimeout: quarantine})
			b.api.FailAsset(standin.AssetID(0), standin.Repeat(20, row.fault)...)
			b.start(t)
			older := b.load(t, []want{{0, "older"}})
			until(t, "an unknown outcome", func() bool { return b.only(t, older).Unknown })
			b.load(t, []want{{0, "newer"}})
			until(t, "the newer one's call", func() bool { return slices.Contains(b.sent(0), "newer") })
			b.hurryUntilDone(t, older)
			require.Equal(t, "superseded", b.only(t, older).Status)
			b.requireApart(t, row.apart)
		})
	}
}

// requireApart: between the last call of "older" and the first of "newer" an
// unknown call had its time to land.
func (b *testBundle) requireApart(t testing.TB, apart time.Duration) {
	t.Helper()
	var older, newer time.Time
	for _, c := range b.api.Log() {
		switch {
		case c.DisplayName == nil: // it has just arrived, and its body is not read yet
		case *c.DisplayName == "older":
			require.Zero(t, newer, "never back to the older name")
			older = c.ArrivedAt
		case newer.IsZero():
			newer = c.ArrivedAt
		}
	}
	require.GreaterOrEqual(t, newer.Sub(older), apart)
}

// TestOrderUnderFaults loads the same targets again and again, from one process
// while two work and the API fails in many ways: what is sent for a target never
// goes back, never overlaps, and at rest the newest name that did not fail is there.
func TestOrderUnderFaults(t *testing.T) {
	t.Parallel()

	const assets, batches = 25, 6
	b := setup(t, settings{
		api:         standin.Config{Assets: assets, Latency: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, Seed: 11},
		callTimeout: 4 * time.Second,
		limits:      &jobs.Limits{},
	})
	b.api.SetChances(
		standin.Chance{P: .10, Fault: standin.Status(500).AfterApply()},
		standin.Chance{P: .05, Fault: standin.Status(409)},
		standin.Chance{P: .05, Fault: standin.Status(400)},
		standin.Chance{P: .05, Fault: standin.ResetBeforeHeaders()},
		standin.Chance{P: .05, Fault: standin.ResetInBody()},
		standin.Chance{P: .02, Fault: standin.RateLimited("1")},
		standin.Chance{P: .10, Fault: standin.Delay(300 * time.Millisecond)},
	)
	b.start(t)
	b.startAnother(t)
	var all []int64
	for n := range batches {
		b.untilCalls(t, n*assets/2) // the last one is half-way
		list := names(fmt.Sprint("batch ", n), 0, assets)
		all = append(all, b.load(t, list))
	}
	for _, batch := range all {
		b.hurryUntilDone(t, batch)
	}
	for n := range assets {
		sent := b.sent(n)
		require.True(t, slices.IsSorted(sent), "values sent for asset %d went back: %q", n, sent)
	}
	require.Empty(t, b.api.Overlaps(2*time.Second))
	b.requireNewest(t, all)
}

// requireNewest compares each asset's name with the record: the last of its
// renames that succeeded, unless a later one may have landed though it failed.
func (b *testBundle) requireNewest(t testing.TB, batches []int64) {
	t.Helper()
	newest := map[int]string{}
	for n, batch := range batches {
		for asset, r := range b.renames(t, batch) {
			switch {
			case r.Status == "succeeded":
				newest[asset] = fmt.Sprintf("batch %d %d", n, asset)
			case r.Calls > 0:
				if name := fmt.Sprintf("batch %d %d", n, asset); b.name(asset) == name {
					newest[asset] = name
				}
			}
		}
	}
	for asset, name := range newest {
		require.Equal(t, name, b.name(asset))
	}
}

// TestLoadAgain: what the target has by our own record is not sent again.
func TestLoadAgain(t *testing.T) {
	t.Parallel()

	const rows = 10
	b := setup(t, settings{api: standin.Config{Assets: rows - 1}}) // the last asset is not there
	b.start(t)
	first := b.load(t, names("new", 0, rows))
	b.untilDone(t, first)
	require.EqualValues(t, rows-1, b.status(t, first).Succeeded)
	require.Equal(t, rows, b.api.Calls())

	again := b.load(t, names("new", 0, rows-1))
	s := b.status(t, again)
	require.Equal(t, db.BatchDone, s.Status, "at once")
	require.EqualValues(t, rows-1, s.Unchanged)

	withFailed := b.load(t, names("new", 0, rows))
	b.untilDone(t, withFailed)
	require.EqualValues(t, rows-1, b.status(t, withFailed).Unchanged)
	require.EqualValues(t, 1, b.status(t, withFailed).Failed, "what failed is sent again")
	require.Equal(t, rows+1, b.api.Calls())

	forced := b.loadWith(t, names("new", 0, rows-1), func(p *db.LoadParams) { p.Force = true })
	b.untilDone(t, forced)
	require.EqualValues(t, rows-1, b.status(t, forced).Succeeded)
	require.Equal(t, 2*rows, b.api.Calls())

	list := names("new", 0, rows-1)
	list[4].name = "newer"
	changed := b.load(t, list)
	b.untilDone(t, changed)
	require.EqualValues(t, 1, b.status(t, changed).Succeeded)
	require.EqualValues(t, rows-2, b.status(t, changed).Unchanged)
	require.Equal(t, 2*rows+1, b.api.Calls())
	require.Equal(t, "newer", b.name(4))
}

// TestRetry makes failed rows pending again, of which one has a newer name.
func TestRetry(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{api: standin.Config{Assets: 3}})
	b.api.FailNext(standin.Repeat(3, standin.Status(400))...)
	b.start(t)
	batch := b.load(t, names("first", 0, 3))
	b.untilDone(t, batch)
	require.EqualValues(t, 3, b.status(t, batch).Failed)
	newer := b.load(t, names("newer", 1, 2))
	b.untilDone(t, newer)

	got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: batch, Statuses: []db.RowStatus{"failed"}}, nil)
	require.NoError(t, err)
	require.Equal(t, db.Retried{Pending: 2, Superseded: 1}, got)
	b.untilDone(t, batch)
	list := b.renames(t, batch)
	require.Equal(t, "succeeded", list[0].Status)
	require.Equal(t, "superseded", list[1].Status, "a late retry never overwrites a newer name")
	require.Equal(t, b.only(t, newer).ID, deref(list[1].SupersededBy))
	require.Equal(t, "succeeded", list[2].Status)
	require.Equal(t, []string{"first 1", "newer 1"}, b.sent(1))
	require.Equal(t, []string{"first 0", "first 0"}, b.sent(0))
	require.Len(t, b.attempts(t, list[0].ID), 2, "the earlier attempt stays on record")
}

// TestRetryGivesAllTries: a retried row has its ten failures again.
func TestRetryGivesAllTries(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{api: standin.Config{Assets: 1}})
	b.api.FailAsset(standin.AssetID(0), standin.Repeat(19, standin.Answer(200, http.Header{}, "no JSON"))...)
	b.start(t)
	batch := b.load(t, names("new", 0, 1))
	b.hurryUntilDone(t, batch)
	require.Equal(t, "failed", b.only(t, batch).Status)
	_, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: batch, Statuses: []db.RowStatus{"failed"}}, nil)
	require.NoError(t, err)
	b.hurryUntilDone(t, batch)
	r := b.only(t, batch)
	require.Equal(t, "succeeded", r.Status)
	require.Equal(t, 20, r.Calls)
	require.Equal(t, 9, r.Failures)
	require.Len(t, b.attempts(t, r.ID), 20)
}

// TestWorkersGoOnWithAcceptance: a load died after its commit, with most of its rows
// not accepted. A worker accepts them: every row is sent, and no older one of them.
func TestWorkersGoOnWithAcceptance(t *testing.T) {
	t.Parallel()

	const rows = 30
	b := setup(t, settings{api: standin.Config{Assets: rows}})
	older := b.loadWithoutJobs(t, names("older", 0, rows))
	newer := b.loadWithoutJobs(t, names("newer", 0, rows))
	b.exec(t, `UPDATE rename SET status = 'pending', superseded_by = NULL, finished_at = NULL WHERE batch_id = $1 AND line > 6`, older)
	b.exec(t, `
		UPDATE batch SET status = 'active', finished_at = NULL,
			superseded = (SELECT count(*) FROM rename WHERE batch_id = $1 AND status = 'superseded') WHERE id = $1`, older)
	b.exec(t, `UPDATE batch SET accepted_to = (SELECT id FROM rename WHERE batch_id = $1 AND line = 6) WHERE id = $1`, newer)
	b.start(t)
	b.untilDone(t, newer)
	b.untilDone(t, older)
	require.EqualValues(t, rows, b.status(t, newer).Succeeded)
	require.EqualValues(t, rows, b.status(t, older).Superseded)
	require.Equal(t, rows, b.api.Calls())
}
