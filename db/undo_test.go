package db_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

func text(n int64) string { return strconv.FormatInt(n, 10) }

// planned is a plan that was compared, applied and sent.
func (b *testBundle) planned(t tb, normalise func(string) string, state map[string][2]string, wishes ...wish) loaded {
	t.Helper()
	l := b.plan(t, wishes...)
	b.compare(t, l.batch, state)
	b.apply(t, l.batch)
	b.sendAll(t, normalise, l.ids...)
	return l
}

func (b *testBundle) undo(t tb, p db.UndoParams) db.Undone {
	t.Helper()
	u, err := b.Undo(t.Context(), p)
	require.NoError(t, err)
	b.requireCountsAddUp(t)
	return u
}

// values are what a batch's rows want: name and alt text.
func (b *testBundle) values(t tb, batch int64) []string {
	t.Helper()
	return list[string](t, b, `
		SELECT asset_id || ': ' || coalesce(display_name, '-') || '|' || coalesce(alt_text, '-') FROM rename WHERE batch_id = $1 ORDER BY id`, batch)
}

func TestUndo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.planned(t, strings.TrimSpace,
		map[string][2]string{"a": {"a0", "alt0"}, "b": {"b0", ""}, "c": {"c0", ""}, "d": {"d0", "d0"}, "e": {"e0", ""}, "f": {"f0", ""}, "g": {"", ""}},
		wish{target: "a", name: "a1", alt: "alt1"}, wish{target: "b", alt: "first"}, wish{target: "c", name: " c1 "},
		wish{target: "d", name: "d1"}, wish{target: "e", name: "e0"}, wish{target: "f", name: "f1"}, wish{target: "g", name: "g1"})
	require.Equal(t, "succeeded succeeded succeeded succeeded unchanged succeeded succeeded", b.statuses(t, l.batch))
	u := b.undo(t, db.UndoParams{BatchID: l.batch})
	require.EqualValues(t, 6, u.Rows)
	require.Zero(t, u.NoBefore)
	require.Equal(t, []string{"a: a0|alt0", "b: -|", "c: c0|-", "d: d0|-", "f: f0|-", "g: -|-"}, b.values(t, u.BatchID))
	require.Equal(t, "pending pending pending pending pending invalid", b.statuses(t, u.BatchID))
	s := b.status(t, u.BatchID)
	require.Equal(t, l.batch, *s.Undoes)
	require.Equal(t, "undo of batch", s.Name)
	require.Equal(t, db.Held, b.claim(t, value[int64](t, b, `SELECT min(id) FROM rename WHERE batch_id = $1`, u.BatchID)).Verdict)

	// Where the site holds what was sent; where not; where the old value is back; where it is gone.
	state := map[string][2]string{"a": {"a1", "alt1"}, "b": {"b9", "first"}, "c": {"c1", ""}, "d": {"d9", "x"}, "f": {"f0", ""}}
	require.Equal(t, "pending pending pending conflict unchanged invalid", b.compare(t, u.BatchID, state))
	b.apply(t, u.BatchID)
	b.sendAll(t, asIs, list[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1`, u.BatchID)...)
	require.Equal(t, "succeeded succeeded succeeded conflict unchanged invalid", b.statuses(t, u.BatchID))

	// An undo is a batch as any: it can be undone, and verified.
	again := b.undo(t, db.UndoParams{BatchID: u.BatchID})
	require.Equal(t, []string{"a: a1|alt1", "b: -|first", "c: c1|-"}, b.values(t, again.BatchID))
	require.Equal(t, "pending pending pending", b.compare(t, again.BatchID, map[string][2]string{"a": {"a0", "alt0"}, "b": {"b9", ""}, "c": {"c0", ""}}))
}

// --since, --until and --status choose rows; what was never sent is never put back.
func TestUndoSome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	state := map[string][2]string{"a": {"0", ""}, "b": {"0", ""}, "c": {"0", ""}, "d": {"0", ""}}
	l := b.plan(t, wish{target: "a", name: "1"}, wish{target: "b", name: "1"}, wish{target: "c", name: "1"}, wish{target: "d", name: "1"})
	b.compare(t, l.batch, state)
	b.apply(t, l.batch)
	b.settle(t, l.ids[0], "succeeded")
	b.settle(t, l.ids[1], "succeeded")
	b.settle(t, l.ids[2], "failed")
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b.exec(t, `UPDATE rename SET finished_at = $2::timestamptz + line * interval '1 min' WHERE batch_id = $1 AND finished_at IS NOT NULL`, l.batch, noon)
	at := func(min int) time.Time { return noon.Add(time.Duration(min) * time.Minute) }
	chosen := func(p db.UndoParams) string {
		p.BatchID = l.batch
		u, err := b.Undo(t.Context(), p)
		if err != nil {
			require.ErrorIs(t, err, db.ErrNothingSent)
			return ""
		}
		return strings.Join(list[string](t, b, `SELECT asset_id FROM rename WHERE batch_id = $1 ORDER BY id`, u.BatchID), " ")
	}
	require.Equal(t, "a b", chosen(db.UndoParams{}))
	require.Equal(t, "b", chosen(db.UndoParams{Since: at(3)}))
	require.Equal(t, "a", chosen(db.UndoParams{Until: at(3)}))
	require.Empty(t, chosen(db.UndoParams{Since: at(3), Until: at(3)}))
	require.Equal(t, "a b c", chosen(db.UndoParams{Statuses: []db.RowStatus{"succeeded", "failed", "cancelled"}}))
	b.setBatch(t, l.batch, "cancelled")
	_, _, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Empty(t, chosen(db.UndoParams{Statuses: []db.RowStatus{"cancelled"}}), "it was not sent")
	_, err = b.Undo(t.Context(), db.UndoParams{BatchID: 99})
	require.ErrorAs(t, err, new(db.NoBatchError))
}

func TestUndoWithoutBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.run(t, asIs, wish{target: "a", name: "1"})
	_, err := b.Undo(t.Context(), db.UndoParams{BatchID: l.batch})
	require.ErrorIs(t, err, db.ErrNoBefore)
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM batch`), "nothing is left of it")
}

// found are what a verification says of a batch's rows, in one line.
func (b *testBundle) found(t tb, batch int64, since time.Time) string {
	t.Helper()
	var words []string
	counts := map[string]int64{}
	for f, err := range b.Findings(t.Context(), batch, since, nil, 0) {
		require.NoError(t, err)
		word := f.Found
		if f.ByBatch != nil {
			word += " by " + text(*f.ByBatch)
		}
		words = append(words, word)
		counts[f.Found]++
	}
	list, err := b.CountFound(t.Context(), batch, since)
	require.NoError(t, err)
	for _, c := range list {
		require.Equal(t, counts[c.Found], c.Rows)
		require.Contains(t, db.Found(), c.Found)
	}
	require.Len(t, list, len(counts))
	return strings.Join(words, ", ")
}

func TestFindings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, asIs, wish{target: "back", name: "older"})
	targets := []string{"asked", "norm", "alt", "altnorm", "later", "hand", "gone", "missing", "back", "mixed", "twice", "half"}
	wishes := make([]wish, len(targets))
	for i, target := range targets {
		wishes[i] = wish{target: target, name: " n "}
		if strings.HasPrefix(target, "alt") || target == "mixed" || target == "twice" || target == "half" {
			wishes[i].alt = "t"
		}
	}
	l := b.run(t, func(name string) string {
		return name
	}, wishes...)
	b.exec(t, `UPDATE rename SET applied_name = 'n' WHERE asset_id = 'norm'`)
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b.exec(t, `UPDATE rename SET last_updated = $2 WHERE batch_id = $1`, l.batch, noon)
	one := b.run(t, asIs, wish{target: "later", name: "newer"}, wish{target: "mixed", name: "newer"}, wish{target: "twice", name: "newer"}, wish{target: "half", name: "newer"})
	two := b.run(t, asIs, wish{target: "twice", alt: "newer"})
	since := b.holds(t, map[string][2]string{
		"asked": {" n ", "whatever"}, "norm": {"n", ""}, "alt": {" n ", "by hand"}, "altnorm": {" n ", "T"}, "later": {"newer", ""},
		"hand": {"by hand", ""}, "gone": {"gone", ""}, "back": {"older", ""},
		"mixed": {"newer", "by hand"}, "twice": {"newer", "newer"}, "half": {"newer", "t"},
	})
	b.exec(t, `UPDATE asset_state SET last_updated = $1 WHERE asset_id = 'altnorm'`, noon)
	b.exec(t, `UPDATE asset_state SET last_updated = $1 WHERE asset_id <> 'altnorm'`, noon.Add(time.Hour))
	first, second := text(one.batch), text(two.batch)
	require.Equal(t, "asked, normalised, changed, normalised, renamed by "+first+", changed, gone, gone, changed, changed, renamed by "+second+", renamed by "+first,
		b.found(t, l.batch, since))
	require.Equal(t, "asked, asked, asked, asked", strings.ReplaceAll(b.found(t, one.batch, since), "asked by ", ""))

	var some []db.Finding
	for f, err := range b.Findings(t.Context(), l.batch, since, []string{"changed"}, 2) {
		require.NoError(t, err)
		some = append(some, f)
	}
	require.Len(t, some, 2)
	require.Equal(t, "by hand", *some[0].FoundAltText)
	require.Equal(t, []string{" n ", "by hand"}, []string{*some[1].DisplayName, *some[1].FoundName})
	require.Nil(t, some[1].ByBatch)
}
