package db_test

import (
	"cmp"
	"slices"
	"strings"

	"relabel/db"
)

// model is one site as the design describes it, in plain Go: what the SQL of load, claim, finish, feed, pause,
// cancel and retry should make of it. The property test compares the two after every step.
type model struct {
	batches []*modelBatch // in the order of acceptance
	plans   []*modelBatch // neither applied nor, if not cancelled, of any effect
	parked  bool
	paused  bool
	jobs    map[*modelRow]bool
	chunk   int // rows of a batch that are accepted together
	changes int // so far: the model's clock
}

type modelBatch struct {
	id         int64
	acceptance int
	status     db.BatchStatus
	finished   bool
	calls      int64
	rows       []*modelRow
	forced     bool
	read       bool // as a plan, it was compared with the site
	compared   int  // as a plan, after so many changes
	replacedBy *modelBatch
	accepted   int // so many of its rows have superseded older ones
	pruned     bool
}

type modelRow struct {
	id           int64
	batch        *modelBatch
	target, name string
	status       db.RowStatus
	fence        int32
	supersededBy *modelRow
	calls        int
	failures     int
	lease        leaseState
	delayed      bool // waits for its next try
	unknown      bool // an earlier call might still land
	known        int  // when the last such call could not land any more, after so many changes; 0: never
	cancelled    bool // by itself: it is not sent again
	before       string
	readAt       int // when the value before was read, after so many changes; 0: never
	ended        int // after so many changes; 0: it is open
	attempts     map[int32]bool
	pruned       bool // it is not in the database any more; the model still knows it, as nothing may depend on that
}

type leaseState int

const (
	noLease leaseState = iota
	leaseRuns
	leaseOut  // its process may be dead; the call it made might still land
	leaseOver // and now it can't any more
)

func (r *modelRow) open() bool { return r.status == "pending" || r.status == "sending" }

// newer tells which of two rows of a target was accepted later.
func (r *modelRow) newer(than *modelRow) bool {
	return cmp.Or(cmp.Compare(r.batch.acceptance, than.batch.acceptance), cmp.Compare(r.id, than.id)) > 0
}

func (m *model) rows() (all []*modelRow) {
	for _, b := range m.batches {
		all = append(all, b.rows...)
	}
	return all
}

// others are the rows of r's target but r itself.
func (m *model) others(r *modelRow) []*modelRow {
	return slices.DeleteFunc(m.rows(), func(o *modelRow) bool { return o == r || o.target != r.target || o.status == "invalid" })
}

// newest is the newest of some rows; nil when there is none.
func newest(rows []*modelRow) (last *modelRow) {
	for _, r := range rows {
		if last == nil || r.newer(last) {
			last = r
		}
	}
	return last
}

// accepting reports whether rows are left that have not superseded older ones.
func (b *modelBatch) accepting() bool {
	return b.accepted <= len(b.rows) && (b.status == "active" || b.status == "paused")
}

// waits reports whether a row may not be sent yet, as it has not superseded older ones.
func (r *modelRow) waits() bool {
	return r.batch.accepting() && slices.Index(r.batch.rows, r) >= r.batch.accepted
}

// count brings the batches' own status up to date after rows have changed.
func (m *model) count() {
	m.changes++
	for _, r := range m.rows() {
		switch {
		case r.open():
			r.ended = 0
		case r.ended == 0:
			r.ended = m.changes
		}
	}
	for _, b := range m.batches {
		b.finished = !slices.ContainsFunc(b.rows, (*modelRow).open)
		switch {
		case b.accepting():
			b.finished = false
		case b.finished && (b.status == "active" || b.status == "paused"):
			b.status = "done"
		case !b.finished && b.status == "done":
			b.status = "active"
		}
	}
}

// endOlder is what a row that is newly open does to the older ones of its target.
func (m *model) endOlder(newer *modelRow) {
	for _, o := range m.others(newer) {
		if o.batch == newer.batch || !o.open() || !newer.newer(o) {
			continue
		}
		o.supersededBy, o.delayed = newer, false
		switch {
		case o.status != "pending":
		case o.batch.status == "cancelled" && o.batch.replacedBy != newer.batch:
			o.status = "cancelled"
		default:
			o.status = "superseded"
		}
	}
}

// load accepts a batch whose rows have their ids, targets and names; "!" marks a refused one.
func (m *model) load(b *modelBatch) {
	b.supersedeWithin()
	m.accept(b)
}

// supersedeWithin lets the last row of a target win over earlier ones.
func (b *modelBatch) supersedeWithin() {
	last := map[string]*modelRow{}
	for _, r := range b.rows {
		if r.status = "pending"; strings.HasPrefix(r.target, "!") {
			r.status = "invalid"
			continue
		}
		if o := last[r.target]; o != nil {
			o.status = "superseded"
		}
		last[r.target] = r
	}
	for _, r := range b.rows {
		if r.status == "superseded" {
			r.supersededBy = last[r.target]
		}
	}
}

// accept gives a batch its place, and accepts its first rows; of the first batch of a site all.
func (m *model) accept(b *modelBatch) {
	b.acceptance, b.status = len(m.batches)+1, "active"
	m.batches = append(m.batches, b)
	if b.acceptance == 1 {
		b.accepted = len(b.rows) + 1
	}
	m.acceptRows(b)
	m.count()
}

// acceptRows accepts the next rows of a batch.
func (m *model) acceptRows(b *modelBatch) {
	if !b.accepting() {
		return
	}
	rows := b.rows[b.accepted:min(b.accepted+m.chunk, len(b.rows))]
	b.accepted += len(rows)
	if b.accepted == len(b.rows) {
		b.accepted++
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *modelRow) bool { return r.status != "pending" && r.status != "unchanged" })
	status := map[*modelRow]db.RowStatus{}
	for _, r := range rows {
		status[r] = m.accepted(r)
	}
	for _, r := range rows {
		m.endOlder(r)
	}
	for r, s := range status {
		r.status = s
	}
	m.count()
}

// accepted is the status of a row that is accepted: whether its value is there already.
func (m *model) accepted(r *modelRow) db.RowStatus {
	switch {
	case !slices.ContainsFunc(m.others(r), func(o *modelRow) bool {
		return o.batch.acceptance < r.batch.acceptance && (o.open() || o.fence > 0)
	}):
		return r.status // nothing older has been sent, or will be
	case r.batch.forced:
		return "pending"
	case (!r.batch.read || m.sentSince(r)) && m.isThere(r):
		return "unchanged"
	case r.status == "unchanged" && !slices.ContainsFunc(m.others(r), func(o *modelRow) bool {
		return o.batch.acceptance < r.batch.acceptance && (o.open() || o.fence > 0 && (o.unknown || max(o.known, o.ended) > cmp.Or(r.readAt, r.batch.compared)))
	}):
		return "unchanged"
	}
	return "pending"
}

// acceptMore reports whether there was anything to accept.
func (m *model) acceptMore() bool {
	for _, b := range m.batches {
		if b.accepting() {
			m.acceptRows(b)
			return true
		}
	}
	return false
}

// sentSince reports whether the last call of a row's target ended after the site was read for its plan.
func (m *model) sentSince(r *modelRow) bool {
	o := m.lastSent(r)
	return o != nil && o.ended > cmp.Or(r.readAt, r.batch.compared)
}

func (m *model) lastSent(r *modelRow) *modelRow {
	return newest(slices.DeleteFunc(m.others(r), func(o *modelRow) bool { return o.fence == 0 }))
}

// isThere reports whether a row's target has its value by our own record.
func (m *model) isThere(r *modelRow) bool {
	o := m.lastSent(r)
	return o != nil && o.status == "succeeded" && o.name == r.name
}

// busy reports whether another call of the target might still land.
func (m *model) busy(r *modelRow) bool {
	return slices.ContainsFunc(m.others(r), func(o *modelRow) bool {
		return o.lease == leaseRuns || o.lease == leaseOut || o.unknown
	})
}

// claim gives the verdicts of one statement, which judges all its rows by the state before it.
func (m *model) claim(rows []*modelRow) map[int64]string {
	judged := map[*modelRow]string{}
	for _, r := range rows {
		judged[r] = m.judge(r)
	}
	verdicts := map[int64]string{}
	for r, v := range judged {
		verdicts[r.id] = v
		if v == "superseded" || v == "cancelled" {
			verdicts[r.id] = "final"
		}
		if v != "claimed" && v != "superseded" && v != "cancelled" {
			continue
		}
		if newer := m.overtaking(r); v == "superseded" && r.supersededBy == nil {
			r.supersededBy = newer
		}
		r.unknown = r.unknown || r.lease == leaseOut
		r.delayed, r.lease, r.status = false, noLease, db.RowStatus(v)
		if v == "claimed" {
			r.status, r.lease = "sending", leaseRuns
			r.fence++
		}
	}
	m.count()
	return verdicts
}

func (m *model) judge(r *modelRow) string {
	switch {
	case !r.open():
		return "final"
	case r.lease == leaseRuns:
		return "wait"
	case r.supersededBy != nil:
		return "superseded"
	case r.batch.status == "cancelled" || r.cancelled:
		return "cancelled"
	case m.overtaking(r) != nil:
		return "superseded"
	case r.batch.status != "active" || r.waits() || m.parked || m.paused:
		return "held"
	case r.delayed || m.busy(r):
		return "wait"
	}
	return "claimed"
}

// overtaking is the newest row of r's target that was accepted later and was sent, or may be.
func (m *model) overtaking(r *modelRow) *modelRow {
	if r.batch.acceptance == 0 {
		return nil // a plan's row is not older than anything
	}
	return newest(slices.DeleteFunc(m.others(r), func(o *modelRow) bool {
		counts := o.fence > 0 || (o.open() || o.status == "unchanged") && o.batch.status != "cancelled"
		return !counts || o.batch.acceptance <= r.batch.acceptance
	}))
}

// outcome is the end of a call as a process reports it.
type outcome struct {
	row     *modelRow
	process string
	fence   int32
	status  db.RowStatus
	failure bool
	unknown bool
	delayed bool
}

// finish tells what the row got; "" when the lease was somebody else's by then.
func (m *model) finish(o outcome) db.RowStatus {
	r := o.row
	if !r.attempts[o.fence] {
		r.attempts[o.fence] = true
		r.batch.calls++
	}
	if r.fence != o.fence || r.status != "sending" {
		return ""
	}
	r.lease, r.status = noLease, o.status
	switch {
	case r.supersededBy != nil:
		r.status = "superseded"
	case o.status == "pending" && (r.batch.status == "cancelled" || r.cancelled):
		r.status = "cancelled"
	}
	r.calls++
	if o.failure {
		r.failures++
	}
	r.unknown = r.unknown || o.unknown
	r.delayed = r.status == "pending" && o.delayed
	m.count()
	return r.status
}

// setBatch reports whether there was anything to change.
func (m *model) setBatch(b *modelBatch, status db.BatchStatus) bool {
	if b.status != "active" && b.status != "paused" || b.status == status {
		return false
	}
	if b.status = status; status == "cancelled" {
		b.accepted = len(b.rows) + 1
	}
	m.count()
	return true
}

// cancelOpen returns how many rows it has ended.
// endQuarantine lets all earlier calls have landed or not. A plan that was read before may have missed them.
func (m *model) endQuarantine() {
	m.changes++
	for _, r := range m.rows() {
		if r.unknown {
			r.unknown, r.known = false, m.changes
		}
		if r.lease == leaseOut {
			r.lease = leaseOver
		}
	}
}

func (m *model) cancelOpen(limit int) (n int) {
	rows := m.rows()
	slices.SortFunc(rows, func(a, b *modelRow) int { return cmp.Compare(a.id, b.id) })
	for _, r := range rows {
		if by := r.batch.replacedBy; by != nil && by.accepting() {
			continue // its rows are superseded first
		}
		if n == limit || r.batch.status != "cancelled" || !r.open() || r.lease == leaseRuns {
			continue
		}
		r.unknown = r.unknown || r.lease == leaseOut
		r.status, r.lease, r.delayed = "cancelled", noLease, false
		n++
	}
	m.count()
	return n
}

// cancelRows returns how many rows have ended, and how many end with their call.
func (m *model) cancelRows(match func(*modelRow) bool) (ended, sending int64) {
	for _, r := range m.rows() {
		if !r.open() || !match(r) {
			continue
		}
		if r.cancelled = true; r.lease == leaseRuns {
			sending++
			continue
		}
		r.unknown = r.unknown || r.lease == leaseOut
		r.status, r.lease, r.delayed = "cancelled", noLease, false
		ended++
	}
	m.count()
	return ended, sending
}

// retry returns how many rows of a batch are pending again, and how many have a newer one.
func (m *model) retry(b *modelBatch, match func(*modelRow) bool) (pending, superseded int64) {
	if b.status == "cancelled" && !b.finished {
		return 0, 0
	}
	for _, r := range b.rows {
		if r.pruned || !slices.Contains(db.MayRetry(), r.status) || !match(r) {
			continue
		}
		newer := newest(slices.DeleteFunc(m.others(r), func(o *modelRow) bool {
			return !o.newer(r) || o.fence == 0 && !o.open() && o.status != "unchanged" && o.batch != r.batch
		}))
		r.supersededBy, r.failures, r.delayed, r.cancelled, r.ended = newer, 0, false, false, 0
		if newer != nil {
			r.status = "superseded"
			superseded++
			continue
		}
		m.endOlder(r)
		r.status = "pending"
		pending++
	}
	if pending > 0 && b.status == "cancelled" {
		b.status = "active"
	}
	m.count()
	return pending, superseded
}

// feed names the rows that get jobs.
func (m *model) feed(window int) (ids []int64) {
	if m.parked || m.paused {
		return nil
	}
	due := slices.DeleteFunc(m.rows(), func(r *modelRow) bool { return !r.due() || r.waits() })
	for r := range m.jobs {
		if !r.due() {
			delete(m.jobs, r)
		}
	}
	for _, r := range due[:min(window, len(due))] {
		if !m.jobs[r] {
			m.jobs[r] = true
			ids = append(ids, r.id)
		}
	}
	return ids
}

// due reports whether there is anything to be done about a row now.
func (r *modelRow) due() bool {
	return r.open() && r.batch.status == "active" && !r.delayed && r.lease != leaseRuns
}
