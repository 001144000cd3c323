package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// touched are the rows that accepting a chunk may change.
type touched struct {
	own []ownRow // rows of the chunk whose target has older renames that are open or were sent, by id

	// The open renames among them, the row that supersedes each, and its batch.
	older, newer, batches []int64
}

// ownRow is a row of a chunk, as the older renames of its target make it.
type ownRow struct {
	id        int64
	was       RowStatus
	name, alt bool // the rename that set it last gave the target what this row wants
	since     bool // relabel has sent something to the target since the plan, or is about to
}

// status is what the row becomes. A row that a plan found unchanged is sent after all
// if relabel itself has sent something else to its target since.
func (r ownRow) status() RowStatus {
	if r.name && r.alt || r.was == RowUnchanged && !r.since {
		return RowUnchanged
	}
	return RowPending
}

// lockTouched reads and locks what accepting a chunk may change.
//
// An older rename may have been sent for the first time, or have ended, before it was
// locked. So the rows that supersede renames with a call are read once more.
func lockTouched(ctx context.Context, tx pgx.Tx, c chunk) (touched, error) {
	t, err := readTouched(ctx, tx, c, nil)
	if err != nil {
		return t, err
	}
	own, _ := t.changes()
	all := slices.Concat(own, t.newer, t.older) // what supersedes may change too, once it is read again
	sent, err := lockRows(ctx, tx, all, append([]int64{c.Batch}, t.batches...))
	if err != nil {
		return t, err
	}
	if ids := t.supersedersOf(sent); len(ids) > 0 {
		again, err := readTouched(ctx, tx, c, ids)
		if err != nil {
			return t, err
		}
		t.replace(again.own)
	}
	return t, nil
}

// readTouched reads the chunk (touched.sql), or only some rows of it.
func readTouched(ctx context.Context, tx pgx.Tx, c chunk, only []int64) (touched, error) {
	t := touched{older: []int64{}, newer: []int64{}, batches: []int64{}}
	var p touchedPair
	rows, err := tx.Query(ctx, statement("touched"), pgx.NamedArgs{"batch": c.Batch, "after": c.After, "upto": c.Upto, "only": only})
	if err == nil {
		_, err = pgx.ForEachRow(rows, p.fields(), func() error {
			t.add(p)
			return nil
		})
	}
	if err != nil {
		return t, fmt.Errorf("error looking for older renames: %w", err)
	}
	return t, nil
}

// touchedPair is a row of touched.sql.
type touchedPair struct {
	id           int64
	was          RowStatus
	older, batch int64
	open         bool
	name, alt    *bool // nil: the older row says nothing of it
	since        bool
}

func (p *touchedPair) fields() []any {
	return []any{&p.id, &p.was, &p.older, &p.batch, &p.open, &p.name, &p.alt, &p.since}
}

func (t *touched) add(p touchedPair) {
	if n := len(t.own); n == 0 || t.own[n-1].id != p.id {
		t.own = append(t.own, ownRow{id: p.id, was: p.was})
	}
	r := &t.own[len(t.own)-1]
	r.since = r.since || p.since
	if p.name != nil {
		r.name = *p.name // of the last one
	}
	if p.alt != nil {
		r.alt = *p.alt
	}
	if p.open {
		t.older, t.newer, t.batches = append(t.older, p.older), append(t.newer, p.id), append(t.batches, p.batch)
	}
}

// replace replaces rows of the chunk by what was read later.
func (t *touched) replace(rows []ownRow) {
	for _, r := range rows {
		byID := func(o ownRow, id int64) int { return cmp.Compare(o.id, id) }
		if i, found := slices.BinarySearchFunc(t.own, r.id, byID); found {
			t.own[i] = r
		}
	}
}

// supersedersOf returns the rows that supersede one of these.
func (t touched) supersedersOf(older []int64) (ids []int64) {
	for i, id := range t.older {
		if _, found := slices.BinarySearch(older, id); found {
			ids = append(ids, t.newer[i])
		}
	}
	return ids
}

// changes returns the rows of the chunk that get another status.
func (t touched) changes() (ids []int64, statuses []string) {
	ids, statuses = []int64{}, []string{}
	for _, r := range t.own {
		if s := r.status(); s != r.was {
			ids, statuses = append(ids, r.id), append(statuses, string(s))
		}
	}
	return ids, statuses
}
