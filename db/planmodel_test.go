package db_test

import (
	"cmp"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"relabel/db"
)

// all are the rows of accepted batches and of plans, by id.
func (m *model) all() []*modelRow {
	all := m.rows()
	for _, p := range m.plans {
		all = append(all, p.rows...)
	}
	slices.SortFunc(all, func(a, b *modelRow) int { return cmp.Compare(a.id, b.id) })
	return slices.DeleteFunc(all, func(r *modelRow) bool { return r.pruned })
}

// kept are the accepted batches that were not pruned.
func (m *model) kept() []*modelBatch {
	return slices.DeleteFunc(slices.Clone(m.batches), func(b *modelBatch) bool { return b.pruned })
}

// byID are the accepted batches as they were loaded, not as they were accepted.
func (m *model) byID() []*modelBatch {
	return slices.SortedFunc(slices.Values(m.batches), func(a, b *modelBatch) int { return cmp.Compare(a.id, b.id) })
}

// open are the plans that can be applied.
func (m *model) open() []*modelBatch {
	return slices.DeleteFunc(slices.Clone(m.plans), func(p *modelBatch) bool { return p.status != "planned" })
}

// compare judges a plan's rows by what the site holds: names by target.
func (m *model) compare(p *modelBatch, holds map[string]string, takeOver bool) {
	p.read, p.compared = true, m.changes
	for _, r := range p.rows {
		if r.status == "invalid" || r.status == "superseded" {
			continue
		}
		name, there := holds[r.target]
		switch {
		case !there:
			r.status = "failed"
			continue
		case !p.forced && name == r.name:
			r.status = "unchanged"
		case r.before != "" && r.before != name && !takeOver:
			r.status = "conflict"
			continue
		default:
			r.status = "pending"
		}
		r.before, r.readAt = name, m.changes
	}
}

func (m *model) compareWithRecord(p *modelBatch) {
	p.read, p.compared = false, m.changes
	for _, r := range p.rows {
		if !p.forced && r.status == "pending" && m.isThere(r) {
			r.status = "unchanged"
		}
	}
}

// apply accepts a plan.
func (m *model) apply(p, replaces *modelBatch) {
	m.plans = slices.DeleteFunc(m.plans, func(o *modelBatch) bool { return o == p })
	m.accept(p)
	if replaces != nil && (replaces.status == "active" || replaces.status == "paused") {
		replaces.status, replaces.replacedBy = "cancelled", p
		replaces.accepted = len(replaces.rows) + 1
	}
	m.count()
}

func (m *machine) stepPlan(t *rapid.T) {
	b, p := m.draw(t)
	p.Planned, b.status = true, "planned"
	m.store(t, b, p)
	b.supersedeWithin()
	m.plans = append(m.plans, b)
}

func (m *machine) stepCompare(t *rapid.T) { m.comparePlan(t, oneOf(t, m.open())) }

func (m *machine) comparePlan(t *rapid.T, p *modelBatch) {
	if rapid.IntRange(0, 3).Draw(t, "by record") == 0 {
		require.NoError(t, m.CompareWithRecord(t.Context(), p.id))
		m.compareWithRecord(p)
		return
	}
	holds, states := map[string]string{}, map[string][2]string{}
	for _, target := range []string{"a", "b", "a/fr"} {
		if name := rapid.SampledFrom([]string{"x", "x", "y", "z", ""}).Draw(t, "held"); name != "" {
			holds[target], states[target] = name, [2]string{name, ""}
		}
	}
	takeOver := rapid.Bool().Draw(t, "take over")
	since := m.holds(t, states)
	require.NoError(t, m.Compare(t.Context(), db.CompareParams{BatchID: p.id, Since: since, ReadBy: "list", TakeOver: takeOver}))
	m.model.compare(p, holds, takeOver)
}

func (m *machine) stepApply(t *rapid.T) {
	p := oneOf(t, m.open())
	if p.compared == 0 || rapid.Bool().Draw(t, "compare again") {
		m.comparePlan(t, p)
	}
	params := db.ApplyParams{BatchID: p.id, Queue: noQueue}
	var replaces *modelBatch
	if len(m.kept()) > 0 && rapid.IntRange(0, 2).Draw(t, "replaces") == 0 {
		replaces = oneOf(t, m.kept())
		params.Replaces = replaces.id
	}
	require.NoError(t, m.ApplyFirst(t.Context(), params))
	m.model.apply(p, replaces)
}

func (m *machine) stepDiscard(t *rapid.T) {
	p := oneOf(t, m.open())
	require.NoError(t, m.Discard(t.Context(), p.id))
	p.status, p.finished = "cancelled", true
	for _, r := range p.rows {
		if r.status == "pending" {
			r.status = "cancelled"
		}
	}
}
