package db_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/retention"
)

// TestRenamesProperty does random steps on the real SQL and on the model, and after each compares all there is, and
// checks the invariants on what was really handed out:
//
//   - each row is in one status, and a final one never changes but by a retry;
//   - the values handed out for a target never go back in the order of acceptance;
//   - never two leases at once for one target;
//   - what is paused, cancelled or parked hands out nothing.
//
// A failure prints the seed; run it again with -rapid.seed=N, more of it with -rapid.checks=N -rapid.steps=N.
func TestRenamesProperty(t *testing.T) {
	t.Parallel()
	if steps := flag.Lookup("rapid.steps"); steps.Value.String() == steps.DefValue {
		// The bad ends take a dozen right steps: a load, a claim that is lost, a cancel, a second load ...
		require.NoError(t, steps.Value.Set("70"))
	}
	all := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		chunk := rapid.SampledFrom([]int{1, 2, 100}).Draw(rt, "chunk")
		all.AcceptInChunksOf(chunk)
		m := &machine{testBundle: all.elsewhere(rt), model: model{jobs: map[*modelRow]bool{}, chunk: chunk, changes: 1}, sent: map[string]*modelRow{}}
		rt.Repeat(map[string]func(*rapid.T){
			"":                m.check,
			"load":            m.stepLoad,
			"accept more":     m.stepAccept,
			"plan":            m.stepPlan,
			"compare":         m.stepCompare,
			"apply":           m.stepApply,
			"discard":         m.stepDiscard,
			"claim":           m.stepClaim,
			"claim more":      m.stepClaim, // twice as often: most else follows from claims
			"finish":          m.stepFinish,
			"finish late":     m.stepFinishLate,
			"lease runs out":  m.stepLeaseOut,
			"quarantine ends": m.stepQuarantineEnds,
			"next try is due": m.stepDue,
			"set batch":       m.stepSetBatch,
			"cancel open":     m.stepCancelOpen,
			"cancel a batch":  m.stepCancel,
			"retry":           m.stepRetry,
			"retry more":      m.stepRetry,
			"retry by filter": m.stepRetryJobs,
			"cancel rows":     m.stepCancelJobs,
			"look":            m.stepLook,
			"hold site":       m.stepHold,
			"feed":            m.stepFeed,
			"lose jobs":       m.stepLoseJobs,
			"prune":           m.stepPrune,
		})
	})
}

// machine is a site in the database beside its model.
type machine struct {
	*testBundle
	model

	claims  []outcome            // all that were ever handed out
	sent    map[string]*modelRow // the newest handed out for a target
	finals  map[int64]string
	retried bool // the last step was a retry: final rows may have changed
}

func (m *machine) stepLoad(t *rapid.T) {
	b, p := m.draw(t)
	m.store(t, b, p)
	m.load(b)
}

func (m *machine) stepAccept(t *rapid.T) {
	more, err := m.AcceptMore(t.Context(), m.site.ID)
	require.NoError(t, err)
	require.Equal(t, m.acceptMore(), more)
}

// draw makes a batch.
func (m *machine) draw(t *rapid.T) (*modelBatch, db.LoadParams) {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a", "a", "b", "a/fr", "!a"}), 1, 3).Draw(t, "targets")
	b := &modelBatch{forced: rapid.Bool().Draw(t, "force")}
	var rows []db.SourceRow
	for i, w := range words {
		name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")
		row := db.SourceRow{Line: int64(i + 2), DisplayName: &name}
		target, refused := strings.CutPrefix(w, "!")
		if row.AssetID, row.LocaleID, _ = strings.Cut(target, "/"); refused {
			row.Refused = "no good"
		}
		rows = append(rows, row)
		b.rows = append(b.rows, &modelRow{batch: b, target: w, name: name, attempts: map[int32]bool{}})
	}
	p := m.params(func(yield func(*db.SourceRow, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	})
	p.Force = b.forced
	return b, p
}

func (m *machine) store(t *rapid.T, b *modelBatch, p db.LoadParams) {
	id, err := m.LoadFirst(t.Context(), p)
	require.NoError(t, err)
	b.id = id
	ids := list[int64](t, m.testBundle, `SELECT id FROM rename WHERE batch_id = $1 ORDER BY id`, id)
	for i, r := range b.rows {
		r.id = ids[i]
	}
}

// load is the model's: the bundle's has no use here.
func (m *machine) load(b *modelBatch) { m.model.load(b) }

func (m *machine) stepClaim(t *rapid.T) {
	from := m.all()
	if rapid.IntRange(0, 4).Draw(t, "any") > 0 { // mostly what is open
		from = slices.DeleteFunc(from, func(r *modelRow) bool { return !r.open() })
	}
	rows := someOf(t, from, 4)
	process := rapid.SampledFrom([]string{"p1", "p2", "p3"}).Draw(t, "process")
	held := map[*modelRow]bool{}
	for _, r := range rows {
		held[r] = m.parked || m.paused || r.batch.status != "active"
	}
	got := m.claimAs(t, process, idsOf(rows)...)
	verdicts := map[int64]string{}
	for _, r := range rows {
		c := got[r.id]
		verdicts[r.id] = string(c.Verdict)
		if c.Verdict != db.Claimed {
			continue
		}
		require.False(t, held[r], "rename %d was handed out while it should not be", r.id)
		last := m.sent[r.target]
		require.False(t, last != nil && last.newer(r), "rename %d was handed out after a newer one", r.id)
		m.sent[r.target] = r
		m.claims = append(m.claims, outcome{row: r, process: process, fence: c.Fence})
	}
	require.Equal(t, m.model.claim(rows), verdicts)
}

// stepFinish ends calls that have not ended.
func (m *machine) stepFinish(t *rapid.T) {
	m.end(t, slices.DeleteFunc(slices.Clone(m.claims), func(o outcome) bool { return o.row.attempts[o.fence] }))
}

// stepFinishLate ends any call ever handed out: too late, or once more.
func (m *machine) stepFinishLate(t *rapid.T) { m.end(t, m.claims) }

func (m *machine) end(t *rapid.T, from []outcome) {
	claims, process := ofOneProcess(someOf(t, from, 3))
	fs := make([]db.Finish, len(claims))
	for i := range claims {
		o := &claims[i]
		o.status = rapid.SampledFrom([]db.RowStatus{"succeeded", "succeeded", "failed", "conflict", "unchanged", "pending", "pending"}).Draw(t, "status")
		fs[i] = answer(db.Claim{RenameID: o.row.id, Fence: o.fence}, o.status)
		if o.failure = fs[i].Failure; o.status == "pending" {
			o.delayed = rapid.Bool().Draw(t, "delayed")
			o.unknown = rapid.Bool().Draw(t, "unknown")
		}
		fs[i].Unknown = o.unknown
		if o.delayed {
			fs[i].Delay = lease.Seconds()
		}
	}
	want := map[int64]db.RowStatus{}
	for _, o := range claims {
		if status := m.model.finish(o); status != "" {
			want[o.row.id] = status
		}
	}
	require.Equal(t, want, m.finishAs(t, process, fs...))
}

// ofOneProcess keeps the claims of the first one's process, as each process reports its own.
func ofOneProcess(claims []outcome) (own []outcome, process string) {
	for _, o := range claims {
		if process = claims[0].process; o.process == process {
			own = append(own, o)
		}
	}
	return own, process
}

func (m *machine) stepLeaseOut(t *rapid.T) {
	for _, r := range someOf(t, m.withLease(leaseRuns), 2) {
		m.expireLease(t, r.id)
		r.lease = leaseOut
	}
}

func (m *machine) withLease(s leaseState) []*modelRow {
	return slices.DeleteFunc(m.rows(), func(r *modelRow) bool { return r.lease != s })
}

func (m *machine) stepQuarantineEnds(t *rapid.T) {
	m.testBundle.endQuarantine(t)
	m.model.endQuarantine()
}

func (m *machine) stepDue(t *rapid.T) {
	m.exec(t, `UPDATE rename SET not_before = NULL WHERE site_id = $1`, m.site.ID)
	for _, r := range m.rows() {
		r.delayed = false
	}
}

func (m *machine) stepSetBatch(t *rapid.T) {
	b := oneOf(t, m.kept())
	status := rapid.SampledFrom([]db.BatchStatus{"paused", "active", "active", "cancelled", "cancelled"}).Draw(t, "status")
	require.Equal(t, m.model.setBatch(b, status), m.testBundle.setBatch(t, b.id, status))
}

func (m *machine) stepCancelOpen(t *rapid.T) {
	limit := rapid.IntRange(1, 9).Draw(t, "limit")
	m.EndInChunksOf(limit)
	_, n, err := m.CancelOpen(t.Context(), m.site.ID)
	require.NoError(t, err)
	require.Equal(t, m.cancelOpen(limit), n)
}

// stepCancel cancels a batch and ends all its rows but those in flight.
func (m *machine) stepCancel(t *rapid.T) {
	b := oneOf(t, slices.DeleteFunc(slices.Clone(m.batches), func(b *modelBatch) bool { return b.finished }))
	require.Equal(t, m.model.setBatch(b, "cancelled"), m.testBundle.setBatch(t, b.id, "cancelled"))
	m.EndInChunksOf(1000)
	_, n, err := m.CancelOpen(t.Context(), m.site.ID)
	require.NoError(t, err)
	require.Equal(t, m.cancelOpen(1000), n)
}

func (m *machine) stepRetry(t *rapid.T) {
	b := oneOf(t, m.kept())
	statuses := someOf(t, []db.RowStatus{"failed", "conflict", "cancelled", "cancelled", "superseded"}, 4)
	got, err := records.RetryRows(t.Context(), m.DB, records.RowFilter{Batch: b.id, Statuses: statuses}, nil)
	require.NoError(t, err)
	pending, superseded := m.retry(b, func(r *modelRow) bool { return slices.Contains(statuses, r.status) })
	require.Equal(t, db.Retried{Pending: pending, Superseded: superseded}, got)
	m.retried = true
}

// filter draws a choice of the site's rows, as SQL and as Go.
func (m *machine) filter(t *rapid.T, statuses ...db.RowStatus) (records.RowFilter, func(*modelRow) bool) {
	f := records.RowFilter{Site: m.site.Name}
	if len(m.kept()) > 0 && rapid.Bool().Draw(t, "one batch") {
		f.Batch = oneOf(t, m.kept()).id
	}
	if rapid.Bool().Draw(t, "some statuses") {
		f.Statuses = someOf(t, statuses, 2)
	}
	if rapid.Bool().Draw(t, "one asset") {
		f.AssetID = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "asset")
	}
	if rapid.IntRange(0, 3).Draw(t, "by name") == 0 {
		f.Name = rapid.SampledFrom([]string{"X", "y"}).Draw(t, "part")
	}
	if rapid.IntRange(0, 3).Draw(t, "by locale") == 0 {
		f.Locale = ptr(rapid.SampledFrom([]string{"", "fr"}).Draw(t, "locale"))
	}
	return f, func(r *modelRow) bool {
		asset, locale, _ := strings.Cut(strings.TrimPrefix(r.target, "!"), "/")
		return (f.Batch == 0 || f.Batch == r.batch.id) && (len(f.Statuses) == 0 || slices.Contains(f.Statuses, r.status)) &&
			(f.AssetID == "" || f.AssetID == asset) && (f.Name == "" || strings.ToLower(f.Name) == r.name) &&
			(f.Locale == nil || *f.Locale == locale)
	}
}

// countAs is the count that people are shown before they agree.
func (m *machine) countAs(t *rapid.T, choose func(records.RowFilter) (records.RowFilter, bool), f records.RowFilter) int64 {
	f, ok := choose(f)
	if !ok {
		return 0
	}
	n, err := records.CountRows(t.Context(), m.DB, f, 0)
	require.NoError(t, err)
	require.True(t, n.Exact)
	return n.Rows
}

// stepRetryJobs goes from the oldest batch on, so that of two rows of a target the newer one is sent.
func (m *machine) stepRetryJobs(t *rapid.T) {
	f, match := m.filter(t, db.MayRetry()...)
	if len(f.Statuses) == 0 {
		all := match
		match = func(r *modelRow) bool { return slices.Contains(db.Retryable(), r.status) && all(r) }
	}
	count := m.countAs(t, records.RowFilter.ForRetry, f)
	chosen := map[*modelRow]bool{} // before any is retried: that may supersede others
	for _, r := range m.rows() {
		chosen[r] = !r.pruned && slices.Contains(db.MayRetry(), r.status) && match(r)
	}
	got, err := records.RetryRows(t.Context(), m.DB, f, nil)
	require.NoError(t, err)
	var want db.Retried
	for _, b := range m.byID() {
		pending, superseded := m.retry(b, func(r *modelRow) bool { return chosen[r] })
		want.Pending, want.Superseded = want.Pending+pending, want.Superseded+superseded
	}
	require.Equal(t, want, got)
	require.Equal(t, count, got.Pending+got.Superseded, "the count before was not true")
	m.retried = true
}

func (m *machine) stepCancelJobs(t *rapid.T) {
	f, match := m.filter(t, "pending", "sending")
	count := m.countAs(t, records.RowFilter.ForCancel, f)
	got, err := records.CancelRows(t.Context(), m.DB, f, nil)
	require.NoError(t, err)
	ended, sending := m.cancelRows(match)
	require.Equal(t, db.Cancelled{Cancelled: ended, Sending: sending}, got)
	require.Equal(t, count, ended+sending, "the count before was not true")
}

// stepLook pages through a choice of rows, a few rows and a short look at a time: all are there, once, in order.
func (m *machine) stepLook(t *rapid.T) {
	f, match := m.filter(t, db.Statuses()...)
	sort := rapid.SampledFrom([]records.RowSort{records.SortNewest, records.SortOldest, records.SortEnded}).Draw(t, "sort")
	limit, look := rapid.IntRange(1, 3).Draw(t, "limit"), int64(rapid.IntRange(1, 4).Draw(t, "look"))
	var want, got []int64
	for _, r := range m.all() {
		if match(r) && (sort != records.SortEnded || !r.open()) {
			want = append(want, r.id)
		}
	}
	for cursor := ""; ; {
		page, err := records.Rows(t.Context(), m.DB, records.RowQuery{RowFilter: f, Sort: sort, Cursor: cursor, Limit: limit, Look: look})
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Rows), limit)
		require.LessOrEqual(t, page.Looked, look)
		for _, j := range page.Rows {
			got = append(got, j.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	switch sort {
	case records.SortNewest:
		slices.Reverse(want)
	case records.SortEnded:
		slices.Sort(got) // their times are not the model's
	}
	require.Equal(t, want, got)
}

func (m *machine) stepHold(t *rapid.T) {
	how := rapid.SampledFrom([]string{"", "", "", "", "paused", "parked"}).Draw(t, "how")
	m.paused, m.parked = how == "paused", how == "parked"
	m.pauseSite(t, m.paused)
	if m.parked {
		m.park(t)
		return
	}
	_, err := m.UnparkSite(t.Context(), m.site.ID)
	require.NoError(t, err)
}

func (m *machine) stepFeed(t *rapid.T) {
	window := rapid.IntRange(1, 6).Draw(t, "window")
	require.Equal(t, m.model.feed(window), m.testBundle.feed(t, window))
}

func (m *machine) stepLoseJobs(t *rapid.T) {
	with := slices.DeleteFunc(m.rows(), func(r *modelRow) bool { return !m.jobs[r] })
	lost := someOf(t, with, 3)
	m.setJobs(t, rapid.SampledFrom([]string{"completed", "cancelled", "discarded"}).Draw(t, "state"), idsOf(lost)...)
	for _, r := range lost {
		delete(m.jobs, r)
	}
}

// stepPrune prunes all that has ended. The model does not: whatever follows must be as if
// all rows were there.
func (m *machine) stepPrune(t *rapid.T) {
	now, err := m.Now(t.Context())
	require.NoError(t, err)
	p := retention.Params{DB: m.DB, SiteID: m.site.ID, Before: now.Add(time.Hour)}
	if len(m.kept()) > 0 && rapid.Bool().Draw(t, "one batch") {
		p.Batch = oneOf(t, m.kept()).id
	}
	p.DryRun = true
	want, err := retention.Prune(t.Context(), p)
	require.NoError(t, err)
	p.DryRun = false
	got, err := retention.Prune(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, want, got, "a dry run counts the same")
	m.notePruned(t)
}

// notePruned marks what is not in the database any more. What superseded_by names stays.
func (m *machine) notePruned(t *rapid.T) {
	rows, batches := m.ids(t, "rename"), m.ids(t, "batch")
	for _, r := range m.all() {
		if r.pruned = !rows[r.id]; r.pruned {
			require.False(t, r.open(), "rename %d was open", r.id)
			delete(m.finals, r.id)
		}
	}
	// A call that is reported once more, as seconds after the first report, is only told by
	// its attempt.
	calls := map[string]bool{}
	for _, call := range list[string](t, m.testBundle, `SELECT rename_id || ' ' || fence FROM attempt`) {
		calls[call] = true
	}
	m.claims = slices.DeleteFunc(m.claims, func(o outcome) bool {
		return o.row.pruned || o.row.attempts[o.fence] && !calls[fmt.Sprint(o.row.id, " ", o.fence)]
	})
	for _, b := range append(m.kept(), m.plans...) {
		b.pruned = !batches[b.id]
	}
	m.plans = slices.DeleteFunc(m.plans, func(p *modelBatch) bool { return p.pruned })
	require.Empty(t, list[int64](t, m.testBundle, `
		SELECT r.id FROM rename r WHERE r.site_id = $1 AND NOT EXISTS (SELECT FROM rename n WHERE n.id = r.superseded_by)
			AND r.superseded_by IS NOT NULL`, m.site.ID))
}

func (m *machine) ids(t *rapid.T, table string) map[int64]bool {
	all := map[int64]bool{}
	for _, id := range list[int64](t, m.testBundle, `SELECT id FROM `+table+` WHERE site_id = $1`, m.site.ID) {
		all[id] = true
	}
	return all
}

// check compares everything, and looks at the real rows for what must never be.
func (m *machine) check(t *rapid.T) {
	finals, leased := map[int64]string{}, map[string]int64{}
	batches := map[int64]*modelBatch{}
	want, counted := map[int64]*modelRow{}, map[int64]map[string]int64{}
	var ids []int64
	for _, b := range append(m.kept(), m.plans...) {
		batches[b.id] = b
		ids, counted[b.id] = append(ids, b.id), map[string]int64{}
		for _, r := range b.rows {
			if !r.pruned {
				want[r.id] = r
				counted[b.id]["total"]++
			}
		}
	}
	for _, got := range m.renames(t, ids...) {
		r := want[got.ID]
		require.Equal(t, r.view(), viewOf(got))
		counted[got.BatchID][got.Status]++
		if got.Finished && r.batch.acceptance > 0 && !r.waits() { // until then it is as in a plan
			finals[r.id] = got.Status
		}
		if r.lease == leaseRuns {
			require.Zero(t, leased[r.target], "%s has two leases", r.target)
			leased[r.target] = r.id
		}
	}
	for id, was := range m.finals {
		if !m.retried {
			require.Equal(t, was, finals[id], "rename %d was final", id)
		}
	}
	m.finals, m.retried = finals, false

	statuses, err := records.Batches(t.Context(), m.DB, m.site.Name, 1000)
	require.NoError(t, err)
	require.Len(t, statuses, len(batches))
	for _, s := range statuses {
		b := batches[s.Batch]
		require.Equal(t, []any{b.id, b.status, b.finished, b.calls}, []any{s.Batch, s.Status, s.FinishedAt != nil, s.Calls})
		requireCounts(t, s, counted[b.id])
		if !b.accepting() {
			requireEnd(t, s)
		}
	}
}

// rowView is what is compared of a row.
type rowView struct {
	id              int64
	status          string
	fence           int32
	supersededBy    int64
	calls, failures int
	leased, delayed bool
}

func (r *modelRow) view() rowView {
	v := rowView{
		id: r.id, status: string(r.status), fence: r.fence, calls: r.calls, failures: r.failures,
		leased: r.lease != noLease, delayed: r.delayed,
	}
	if r.supersededBy != nil {
		v.supersededBy = r.supersededBy.id
	}
	return v
}

func viewOf(r renameRow) rowView {
	v := rowView{
		id: r.ID, status: r.Status, fence: r.Fence, calls: r.Calls, failures: r.Failures,
		leased: r.Leased, delayed: r.Waits,
	}
	if r.SupersededBy != nil {
		v.supersededBy = *r.SupersededBy
	}
	return v
}

// someOf draws one to most of what there is, in order; the step is skipped when there is nothing.
func someOf[T any](t *rapid.T, from []T, most int) []T {
	if len(from) == 0 {
		t.Skip("nothing there")
	}
	picked := map[int]bool{}
	for range rapid.IntRange(1, most).Draw(t, "how many") {
		picked[rapid.IntRange(0, len(from)-1).Draw(t, "which")] = true
	}
	var out []T
	for _, i := range slices.Sorted(maps.Keys(picked)) {
		out = append(out, from[i])
	}
	return out
}

func oneOf[T any](t *rapid.T, from []T) T { return someOf(t, from, 1)[0] }

func idsOf(rows []*modelRow) []int64 {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	return ids
}

func (r *modelRow) String() string {
	return fmt.Sprintf("rename %d (%s, %s)", r.id, r.target, r.status)
}
