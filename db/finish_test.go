package db_test

import (
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// attempts are those of a rename, by fence: what became of each call.
func (b *testBundle) attempts(t tb, id int64) []string {
	t.Helper()
	return list[string](t, b, `SELECT fence || ' ' || process_id || ' ' || outcome FROM attempt WHERE rename_id = $1 ORDER BY fence`, id)
}

// What a call's end makes of its rename, in each state that the rename may have come to meanwhile.
func TestFinish(t *testing.T) {
	t.Parallel()
	all := setup(t)
	nothing := func(*testing.T, *testBundle, loaded) {}
	superseded := func(t *testing.T, b *testBundle, _ loaded) { b.loadWith(t, b.params(named("a", "new"))) }
	cancelled := func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "cancelled") }
	expired := func(t *testing.T, b *testBundle, l loaded) { b.expireLease(t, l.ids[0]) }
	taken := func(t *testing.T, b *testBundle, l loaded) {
		b.expireLease(t, l.ids[0])
		require.Equal(t, db.Claimed, b.claimAs(t, "p2", l.ids[0])[l.ids[0]].Verdict)
	}
	tests := map[string]struct {
		meanwhile func(t *testing.T, b *testBundle, l loaded)
		status    db.RowStatus // as asked for
		want      db.RowStatus // as it became; empty: the finish came too late
		row       string
		calls     int
		failures  int
	}{
		"succeeded": {nothing, "succeeded", "succeeded", "succeeded", 1, 0},
		"failed":    {nothing, "failed", "failed", "failed", 1, 1},
		"unchanged": {nothing, "unchanged", "unchanged", "unchanged", 1, 0},
		"conflict":  {nothing, "conflict", "conflict", "conflict", 1, 0},
		"to retry":  {nothing, "pending", "pending", "pending", 1, 1},

		"superseded, succeeded": {superseded, "succeeded", "superseded", "superseded", 1, 0},
		"superseded, failed":    {superseded, "failed", "superseded", "superseded", 1, 1},
		"superseded, to retry":  {superseded, "pending", "superseded", "superseded", 1, 1},
		"cancelled, succeeded":  {cancelled, "succeeded", "succeeded", "succeeded", 1, 0},
		"cancelled, failed":     {cancelled, "failed", "failed", "failed", 1, 1},
		"cancelled, to retry":   {cancelled, "pending", "cancelled", "cancelled", 1, 1},
		"paused, succeeded": {
			func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "paused") },
			"succeeded", "succeeded", "succeeded", 1, 0,
		},
		"paused, to retry": {
			func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "paused") },
			"pending", "pending", "pending", 1, 1,
		},
		"parked, to retry": {func(t *testing.T, b *testBundle, _ loaded) { b.park(t) }, "pending", "pending", "pending", 1, 1},

		// Nobody else has claimed it: the late answer is the newest word.
		"lease is out, succeeded": {expired, "succeeded", "succeeded", "succeeded", 1, 0},
		"lease is out, to retry":  {expired, "pending", "pending", "pending", 1, 1},
		"taken over, succeeded":   {taken, "succeeded", "", "sending", 0, 0},
		"taken over, failed":      {taken, "failed", "", "sending", 0, 0},
		"taken over and done": {func(t *testing.T, b *testBundle, l loaded) {
			taken(t, b, l)
			b.finishAs(t, "p2", answer(db.Claim{RenameID: l.ids[0], Fence: 2}, "failed"))
		}, "succeeded", "", "failed", 1, 1},
		"lease is out, cancelled": {func(t *testing.T, b *testBundle, l loaded) {
			expired(t, b, l)
			b.cancel(t, l.batch)
		}, "succeeded", "", "cancelled", 0, 0},
		"lease is out, superseded": {func(t *testing.T, b *testBundle, l loaded) {
			expired(t, b, l)
			superseded(t, b, l)
			require.Equal(t, db.Final, b.claim(t, l.ids[0]).Verdict)
		}, "succeeded", "", "superseded", 0, 0},
	}
	for name, tt := range tests {
		for way, grant := range map[string]int64{"": 0, ", beside a grant": 1} { // a success without one has its own statement
			t.Run(name+way, func(t *testing.T) {
				t.Parallel()
				b := all.elsewhere(t)
				l := b.load(t, "a", "z")
				c := b.mustClaim(t, l.ids[0])
				tt.meanwhile(t, b, l)
				f := answer(c, tt.status)
				f.GrantID = grant
				got := b.finish(t, f)
				require.Equal(t, tt.want, got[l.ids[0]])
				require.Equal(t, tt.want != "", len(got) == 1)
				row := b.rename(t, l.ids[0])
				require.Equal(t, []any{tt.row, tt.calls, tt.failures}, []any{row.Status, row.Calls, row.Failures})
				require.Equal(t, tt.row == "sending", row.Leased)
				b.requireCountsAddUp(t)
				require.Contains(t, b.attempts(t, l.ids[0]), "1 "+process+" "+string(answer(c, tt.status).Outcome), "the call was made")
				require.EqualValues(t, len(b.attempts(t, l.ids[0])), b.status(t, l.batch).Calls)

				before := b.renames(t, l.batch)
				again := answer(c, "succeeded")
				again.GrantID = grant
				require.Empty(t, b.finish(t, again), "told again, nothing changes")
				require.Equal(t, before, b.renames(t, l.batch))
				require.EqualValues(t, len(b.attempts(t, l.ids[0])), b.status(t, l.batch).Calls)
				b.requireCountsAddUp(t)
			})
		}
	}
}

func TestFinishRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a")
	f := answer(b.mustClaim(t, l.ids[0]), "pending")
	f.HTTPStatus, f.Code, f.Message, f.Delay = ptr(429), "too_many_requests", "slow down", 90
	f.Failure, f.Outcome = false, "rate_limited"
	f.SentAgo, f.Duration = 10, 2.5
	b.finish(t, f)

	row := b.rename(t, l.ids[0])
	require.Equal(t, renameRow{
		ID: l.ids[0], BatchID: l.batch, Status: "pending", Fence: 1, Calls: 1, HTTPStatus: ptr(429), ProcessID: ptr(process),
		Error: ptr("too_many_requests: slow down"), Waits: true,
	}, row)
	wait := value[time.Duration](t, b, `SELECT not_before - clock_timestamp() FROM rename`)
	require.InDelta(t, 90, wait.Seconds(), 30)
	ago := value[time.Duration](t, b, `SELECT clock_timestamp() - sent_at FROM attempt`)
	require.InDelta(t, 25, ago.Seconds(), 15)
	require.Equal(t, 2500*time.Millisecond, value[time.Duration](t, b, `SELECT duration FROM attempt`))
	require.Equal(t, []string{"rate_limited 429 too_many_requests slow down"},
		list[string](t, b, `SELECT concat_ws(' ', outcome, http_status, code, message) FROM attempt`))
	require.Equal(t, []int64{1, 1}, []int64{b.status(t, l.batch).Calls, b.status(t, l.batch).RateLimited})

	b.exec(t, `UPDATE rename SET not_before = NULL`)
	updated := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	f = answer(b.mustClaim(t, l.ids[0]), "succeeded")
	f.AppliedName, f.LastUpdated = ptr("a.jpg"), &updated
	b.finish(t, f)
	row = b.rename(t, l.ids[0])
	require.Equal(t, renameRow{
		ID: l.ids[0], BatchID: l.batch, Status: "succeeded", Fence: 2, Calls: 2, HTTPStatus: ptr(200), ProcessID: ptr(process),
		AppliedName: ptr("a.jpg"), Finished: true,
	}, row)
	require.Equal(t, updated, value[time.Time](t, b, `SELECT last_updated FROM rename`).UTC())
	require.Equal(t, []string{"1 p1 rate_limited", "2 p1 succeeded"}, b.attempts(t, l.ids[0]))
}

// A claim given back without a call leaves no attempt, and what was known of the rename.
func TestFinishWithoutCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a")
	b.settle(t, l.ids[0], "pending")
	c := b.mustClaim(t, l.ids[0])
	b.finish(t, db.Finish{RenameID: c.RenameID, Fence: c.Fence, Status: "pending"})
	row := b.rename(t, l.ids[0])
	require.Equal(t, []any{"pending", 1, 1, ptr("try later"), ptr(500)}, []any{row.Status, row.Calls, row.Failures, row.Error, row.HTTPStatus})
	require.Len(t, b.attempts(t, l.ids[0]), 1)
	require.EqualValues(t, 1, b.status(t, l.batch).Calls)
	b.requireCountsAddUp(t)
}

// One statement with several batches, a zombie beside its successor, one answer twice, and ids that do not exist.
func TestFinishManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one, two := b.load(t, "a", "b"), b.load(t, "c", "d")
	claims := b.claimAs(t, process, append(one.ids, two.ids...)...)
	b.expireLease(t, one.ids[1])
	successor := b.mustClaim(t, one.ids[1])

	got := b.finish(t,
		answer(claims[one.ids[0]], "succeeded"),
		answer(claims[one.ids[0]], "succeeded"),
		answer(claims[one.ids[1]], "failed"),
		answer(successor, "succeeded"),
		answer(claims[two.ids[1]], "pending"),
		answer(claims[two.ids[0]], "conflict"),
		answer(db.Claim{RenameID: 99, Fence: 1}, "succeeded"),
	)
	require.Equal(t, map[int64]db.RowStatus{
		one.ids[0]: "succeeded", one.ids[1]: "succeeded", two.ids[0]: "conflict", two.ids[1]: "pending",
	}, got)
	b.requireCountsAddUp(t)
	require.Equal(t, db.BatchDone, b.status(t, one.batch).Status)
	require.Equal(t, db.BatchActive, b.status(t, two.batch).Status)
	require.EqualValues(t, 3, b.status(t, one.batch).Calls)
	require.Empty(t, b.finish(t))
}

// A batch is done with its last row: not before, not later, whatever kind of end that is.
func TestBatchIsDoneWithItsLastRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d", "!e", "d")
	b.settle(t, l.ids[0], "succeeded")
	b.settle(t, l.ids[1], "failed")
	b.settle(t, l.ids[2], "unchanged")
	require.Equal(t, db.BatchActive, b.status(t, l.batch).Status)
	require.Nil(t, b.status(t, l.batch).FinishedAt)
	b.setBatch(t, l.batch, "paused")
	b.loadWith(t, b.params(named("d", "new")))
	s := b.status(t, l.batch)
	require.Equal(t, db.BatchDone, s.Status)
	require.NotNil(t, s.FinishedAt)
	b.requireCountsAddUp(t)
}

// Whatever the order in which several processes end the rows of the same batches, none is counted twice or lost, and
// none waits for another in a circle.
func TestFinishAcrossBatchesAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const batches, rows = 12, 40
	var all [rows][]int64
	for range batches {
		for i, id := range b.loadWith(t, b.params(numberedFrom(b, t, rows))).ids {
			all[i] = append(all[i], id)
		}
	}
	crowd := pool.New().WithErrors().WithMaxGoroutines(8)
	for i, ids := range all {
		crowd.Go(func() error {
			take := ids[i%3 : batches-i%5] // other sets of batches each time
			claims, err := b.Claim(t.Context(), db.ClaimParams{ProcessID: process, RenameIDs: take, Lease: lease})
			if err != nil {
				return err
			}
			var fs []db.Finish
			for j, c := range claims {
				if c.Verdict == db.Claimed { // the one before may have taken it
					fs = append(fs, answer(c, []db.RowStatus{"succeeded", "failed"}[j%2]))
				}
			}
			more := db.ClaimParams{ProcessID: process, RenameIDs: all[(i+1)%len(all)][i%2 : batches-i%3], Lease: lease}
			_, _, err = b.Turn(t.Context(), more, db.FinishParams{ProcessID: process, Finishes: fs})
			return err
		})
	}
	require.NoError(t, crowd.Wait())
	b.requireCountsAddUp(t)
}

// numberedFrom makes rows of targets that no batch has yet.
func numberedFrom(b *testBundle, t tb, n int) func(func(*db.SourceRow, error) bool) {
	have := value[int](t, b, `SELECT count(*)::int FROM rename`)
	return func(yield func(*db.SourceRow, error) bool) {
		for row, err := range numbered(have+n, have+n) {
			if int(row.Line) >= have+2 && !yield(row, err) {
				return
			}
		}
	}
}

// settled grants count until one window after the answer; those in use until one window after their deadline.
func TestFinishSettlesGrants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 60)
	l := b.load(t, "a", "b")
	claims := b.claimAs(t, process, l.ids...)
	g := b.grant(t, 2)
	left := func() []float64 {
		return list[float64](t, b, `SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM lane_grant ORDER BY id`)
	}
	require.InDelta(t, 90, left()[0], 20, "30 s for the call, and the window")

	f := answer(claims[l.ids[0]], "succeeded")
	f.GrantID, f.AnsweredAgo = g.IDs[0], 10
	b.finish(t, f)
	require.InDelta(t, 50, left()[0], 5, "the answer came 10 s ago")
	require.InDelta(t, 90, left()[1], 20, "not this one's call")

	b.expireLease(t, l.ids[1])
	b.claimAs(t, "p2", l.ids[1])
	f = answer(claims[l.ids[1]], "succeeded")
	f.GrantID = g.IDs[1]
	require.Empty(t, b.finish(t, f))
	require.InDelta(t, 60, left()[1], 5, "a zombie's call was a call too")
}

func TestFinishMindsTheBreaker(t *testing.T) {
	t.Parallel()
	all := setup(t)
	type step struct {
		health   db.Health
		open     bool
		failures int // of the site, in a row
	}
	tests := map[string]struct {
		limit int
		steps []step
	}{
		"opens at the limit":   {3, []step{{db.Ill, false, 1}, {db.Ill, false, 2}, {db.Ill, true, 3}, {db.Ill, true, 4}}},
		"closes at a success":  {2, []step{{db.Ill, false, 1}, {db.Ill, true, 2}, {db.Well, false, 0}, {db.Ill, false, 1}}},
		"only those in a row":  {2, []step{{db.Ill, false, 1}, {db.Well, false, 0}, {db.Ill, false, 1}, {"", false, 1}, {db.Ill, true, 2}}},
		"off":                  {0, []step{{db.Ill, false, 1}, {db.Ill, false, 2}}},
		"well from the start":  {1, []step{{db.Well, false, 0}, {"", false, 0}}},
		"the first opens it":   {1, []step{{db.Ill, true, 1}, {db.Well, false, 0}}},
		"nothing said of it":   {1, []step{{"", false, 0}}},
		"well, then ill again": {1, []step{{db.Ill, true, 1}, {db.Well, false, 0}, {db.Ill, true, 1}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.loadWith(t, b.params(numbered(len(tt.steps), len(tt.steps))))
			closed, open := 0, false
			for i, s := range tt.steps {
				if open && !s.open {
					closed++
				}
				open = s.open
				b.exec(t, `UPDATE breaker SET next_probe_at = now() WHERE opened_at IS NOT NULL AND site_id = $1`, b.site.ID)
				f := answer(b.mustClaim(t, l.ids[i]), "pending")
				if f.Health, f.Message = s.health, "bad gateway"; s.health == db.Well {
					f = answer(db.Claim{RenameID: l.ids[i], Fence: f.Fence}, "succeeded")
				}
				_, err := b.Finish(t.Context(), db.FinishParams{ProcessID: process, Finishes: []db.Finish{f}, BreakerLimit: tt.limit})
				require.NoError(t, err)
				site, err := b.SiteByID(t.Context(), b.site.ID)
				require.NoError(t, err)
				require.Equal(t, s.open, site.BreakerOpen, "step %d", i)
				require.Equal(t, s.failures, value[int](t, b, `SELECT failures FROM breaker WHERE site_id = $1`, b.site.ID), "step %d", i)
				require.Equal(t, s.failures > 0, site.BreakerError != nil, "step %d", i)
				require.Equal(t, s.open, value[bool](t, b, `SELECT next_probe_at IS NOT NULL FROM breaker WHERE site_id = $1`, b.site.ID), "step %d", i)
			}
			require.Equal(t, closed, value[int](t, b, `SELECT count(*)::int FROM event WHERE kind = 'breaker closed' AND site_id = $1`, b.site.ID))
			b.requireCountsAddUp(t)
		})
	}
}

// A turn whose answer was lost is sent again, and its failures count once.
func TestFinishTwiceCountsForTheBreakerOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := answer(b.mustClaim(t, b.load(t, "a").ids[0]), "pending")
	f.Health, f.Message = db.Ill, "bad gateway"
	for range 2 {
		_, err := b.Finish(t.Context(), db.FinishParams{ProcessID: process, Finishes: []db.Finish{f}, BreakerLimit: 2})
		require.NoError(t, err)
	}
	require.Equal(t, 1, value[int](t, b, `SELECT failures FROM breaker WHERE site_id = $1`, b.site.ID))
	require.Equal(t, 1, value[int](t, b, `SELECT failures::int FROM rename WHERE site_id = $1`, b.site.ID))
}

// While the breaker is open a transient failure is not the row's fault, the tenth one included.
func TestFinishWithBreakerOpenUsesUpNoAttempt(t *testing.T) {
	t.Parallel()
	all := setup(t)
	for asked, want := range map[db.RowStatus]db.RowStatus{"pending": "pending", "failed": "pending"} {
		t.Run(string(asked), func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a", "b")
			claims := b.claimAs(t, process, l.ids...)
			b.exec(t, `UPDATE breaker SET failures = 20, opened_at = now(), next_probe_at = now() WHERE site_id = $1`, b.site.ID)
			f := answer(claims[l.ids[0]], asked)
			f.Health, f.Failure = db.Ill, true
			require.Equal(t, want, b.finish(t, f)[l.ids[0]])
			row := b.rename(t, l.ids[0])
			require.Equal(t, []int{1, 0}, []int{row.Calls, row.Failures})

			b.setBatch(t, l.batch, "cancelled")
			f = answer(claims[l.ids[1]], asked)
			f.Health = db.Ill
			require.Equal(t, db.RowCancelled, b.finish(t, f)[l.ids[1]])
			b.requireCountsAddUp(t)
		})
	}
}
