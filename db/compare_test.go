package db_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
)

// wish is a row of a plan: what it wants, and what it says it expects.
type wish struct{ target, name, alt, expected string }

func (w wish) row(line int) db.SourceRow {
	r := db.SourceRow{Line: int64(line)}
	r.AssetID, r.LocaleID, _ = strings.Cut(w.target, "/")
	for _, f := range []struct {
		text string
		to   **string
	}{{w.name, &r.DisplayName}, {w.alt, &r.AltText}, {w.expected, &r.ExpectedName}} {
		if f.text != "" {
			*f.to = &f.text
		}
	}
	return r
}

func (b *testBundle) wishes(wishes ...wish) db.LoadParams {
	return b.params(func(yield func(*db.SourceRow, error) bool) {
		for i, w := range wishes {
			row := w.row(i + 2)
			if !yield(&row, nil) {
				return
			}
		}
	})
}

// plan stores a plan without comparing it.
func (b *testBundle) plan(t tb, wishes ...wish) loaded {
	t.Helper()
	p := b.wishes(wishes...)
	p.Planned = true
	return b.loadWith(t, p)
}

// holds is a reading: what a site holds, "a" asset a, "a/fr" asset a in locale fr, by its name and alt text; a name of
// "gone" is a 404.
func (b *testBundle) holds(t tb, states map[string][2]string) time.Time {
	t.Helper()
	now, err := b.Now(t.Context())
	require.NoError(t, err)
	var list []db.AssetState
	for target, texts := range states {
		s := db.AssetState{DisplayName: texts[0], AltText: texts[1], ReadAt: now, Gone: texts[0] == "gone"}
		s.AssetID, s.LocaleID, _ = strings.Cut(target, "/")
		list = append(list, s)
	}
	require.NoError(t, b.SaveStates(t.Context(), b.site.ID, list))
	return now
}

// compare compares a plan with a reading and gives its rows' statuses.
func (b *testBundle) compare(t tb, plan int64, states map[string][2]string) string {
	t.Helper()
	b.compareWith(t, plan, states, false)
	return b.statuses(t, plan)
}

func (b *testBundle) compareWith(t tb, plan int64, states map[string][2]string, takeOver bool) {
	t.Helper()
	since := b.holds(t, states)
	require.NoError(t, b.Compare(t.Context(), db.CompareParams{BatchID: plan, Since: since, ReadBy: "list", Reads: 1, TakeOver: takeOver}))
	b.requireCountsAddUp(t)
}

func (b *testBundle) apply(t tb, plan int64) {
	t.Helper()
	require.NoError(t, b.Apply(t.Context(), db.ApplyParams{BatchID: plan, Queue: noQueue}))
	b.requireCountsAddUp(t)
}

// run loads rows and sends them all; the server makes of a name what normalise does.
func (b *testBundle) run(t tb, normalise func(string) string, wishes ...wish) loaded {
	t.Helper()
	l := b.loadWith(t, b.wishes(wishes...))
	b.sendAll(t, normalise, l.ids...)
	return l
}

func (b *testBundle) sendAll(t tb, normalise func(string) string, ids ...int64) {
	t.Helper()
	for _, id := range ids {
		c := b.claim(t, id)
		if c.Verdict != db.Claimed {
			continue
		}
		f := answer(c, "succeeded")
		if f.AppliedName != nil {
			f.AppliedName = ptr(normalise(*f.AppliedName))
		}
		b.finish(t, f)
	}
}

func asIs(s string) string { return s }

// befores are the values before of a batch's rows, name and alt text.
func (b *testBundle) befores(t tb, batch int64) []string {
	t.Helper()
	return list[string](t, b, `
		SELECT concat_ws('|', coalesce(before_name, '-'), coalesce(before_alt_text, '-')) FROM rename WHERE batch_id = $1 ORDER BY id`, batch)
}

func (b *testBundle) errors(t tb, batch int64) []string {
	t.Helper()
	return list[string](t, b, `SELECT coalesce(error, '') FROM rename WHERE batch_id = $1 ORDER BY id`, batch)
}

// Each verdict, of a first comparison.
func TestCompare(t *testing.T) {
	t.Parallel()
	all := setup(t)
	state := map[string][2]string{
		"a": {"old.jpg", "old text"}, "a/fr": {"ancien.jpg", ""}, "b": {"b.jpg", ""}, "c": {"gone", ""},
	}
	tests := map[string]struct {
		wish   wish
		force  bool
		want   string
		before string
		error  string
	}{
		"another name":                  {wish{target: "a", name: "new.jpg"}, false, "pending", "old.jpg|old text", ""},
		"the same name":                 {wish{target: "a", name: "old.jpg"}, false, "unchanged", "old.jpg|old text", ""},
		"the same name, forced":         {wish{target: "a", name: "old.jpg"}, true, "pending", "old.jpg|old text", ""},
		"the name's case":               {wish{target: "a", name: "Old.jpg"}, false, "pending", "old.jpg|old text", ""},
		"a space more":                  {wish{target: "a", name: "old.jpg "}, false, "pending", "old.jpg|old text", ""},
		"the same alt text":             {wish{target: "a", alt: "old text"}, false, "unchanged", "old.jpg|old text", ""},
		"another alt text":              {wish{target: "a", alt: "new text"}, false, "pending", "old.jpg|old text", ""},
		"the first alt text":            {wish{target: "b", alt: "new text"}, false, "pending", "b.jpg|", ""},
		"name the same, alt text not":   {wish{target: "a", name: "old.jpg", alt: "new"}, false, "pending", "old.jpg|old text", ""},
		"alt text the same, name not":   {wish{target: "a", name: "new.jpg", alt: "old text"}, false, "pending", "old.jpg|old text", ""},
		"both the same":                 {wish{target: "a", name: "old.jpg", alt: "old text"}, false, "unchanged", "old.jpg|old text", ""},
		"another locale":                {wish{target: "a/fr", name: "ancien.jpg"}, false, "unchanged", "ancien.jpg|", ""},
		"another locale's name":         {wish{target: "a/fr", name: "old.jpg"}, false, "pending", "ancien.jpg|", ""},
		"404":                           {wish{target: "c", name: "new.jpg"}, false, "failed", "-|-", "the site has no such asset"},
		"404, forced":                   {wish{target: "c", name: "new.jpg"}, true, "failed", "-|-", "the site has no such asset"},
		"on no page":                    {wish{target: "d", name: "new.jpg"}, false, "failed", "-|-", "the site has no such asset"},
		"the locale on no page":         {wish{target: "b/fr", name: "new.jpg"}, false, "failed", "-|-", "the site has no such asset"},
		"as expected":                   {wish{"a", "new.jpg", "", "old.jpg"}, false, "pending", "old.jpg|old text", ""},
		"not as expected":               {wish{"a", "new.jpg", "", "x"}, false, "conflict", "old.jpg|old text", `the name is not as expected: it is "old.jpg", not "x"`},
		"not as expected, forced":       {wish{"a", "new.jpg", "", "x"}, true, "conflict", "old.jpg|old text", `the name is not as expected: it is "old.jpg", not "x"`},
		"not as expected, but as asked": {wish{"a", "old.jpg", "", "x"}, false, "unchanged", "old.jpg|old text", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			p := b.wishes(tt.wish)
			p.Planned, p.Force = true, tt.force
			l := b.loadWith(t, p)
			require.Equal(t, tt.want, b.compare(t, l.batch, state))
			require.Equal(t, []string{tt.before}, b.befores(t, l.batch))
			require.Equal(t, []string{tt.error}, b.errors(t, l.batch))
			require.Equal(t, db.BatchPlanned, b.status(t, l.batch).Status)
			require.Equal(t, tt.want, b.compare(t, l.batch, state), "again")
			require.Equal(t, []string{tt.before}, b.befores(t, l.batch))

			b.compareWith(t, l.batch, state, true)
			if tt.want == "conflict" {
				tt.want = "pending"
			}
			require.Equal(t, tt.want, b.statuses(t, l.batch), "taken over")
		})
	}
}

// A reading that is older, or of another site, is none.
func TestCompareWithOldState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	state := map[string][2]string{"a": {"x", ""}}
	b.holds(t, state)
	b.elsewhere(t).holds(t, state)
	l := b.plan(t, wish{target: "a", name: "x"})
	require.Equal(t, "failed", b.compare(t, l.batch, nil))
	require.Equal(t, "unchanged", b.compare(t, l.batch, state), "a newer reading has found it")

	// An older reading that is written late replaces nothing.
	now := b.holds(t, map[string][2]string{"a": {"newer", ""}})
	require.NoError(t, b.SaveStates(t.Context(), b.site.ID, []db.AssetState{{AssetID: "a", DisplayName: "older", ReadAt: now.Add(-time.Second)}}))
	require.Equal(t, "newer", value[string](t, b, `SELECT display_name FROM asset_state WHERE site_id = $1`, b.site.ID))
}

// A second reading of an old plan: what changed meanwhile is a conflict, with the value that it conflicts with.
func TestCompareAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.plan(t, wish{target: "a", name: "n"}, wish{target: "b", name: "n"}, wish{target: "c", alt: "t"}, wish{target: "d", alt: "t"},
		wish{target: "e", name: "n"}, wish{target: "f", name: "n"})
	first := map[string][2]string{"a": {"1", ""}, "b": {"1", ""}, "c": {"1", "1"}, "d": {"1", "1"}, "e": {"1", ""}, "f": {"n", ""}}
	require.Equal(t, "pending pending pending pending pending unchanged", b.compare(t, l.batch, first))
	second := map[string][2]string{"a": {"2", ""}, "b": {"n", ""}, "c": {"2", "1"}, "d": {"1", "2"}, "f": {"2", ""}} // e is gone
	const want = "conflict unchanged pending conflict failed conflict"
	require.Equal(t, want, b.compare(t, l.batch, second))
	require.Equal(t, []string{"1|", "n|", "2|1", "1|1", "1|", "n|"}, b.befores(t, l.batch))
	require.Equal(t, []string{
		`changed by somebody else: the name was "1" and is "2"`, "", "",
		`changed by somebody else: the alt text was "1" and is "2"`, "the site has no such asset",
		`changed by somebody else: the name was "n" and is "2"`,
	}, b.errors(t, l.batch))
	require.Equal(t, want, b.compare(t, l.batch, second), "a conflict stays one")
	require.Equal(t, strings.Replace(want, "conflict", "pending", 1), b.compare(t, l.batch, map[string][2]string{
		"a": {"1", ""}, "b": {"n", ""}, "c": {"2", "1"}, "d": {"1", "2"}, "f": {"2", ""},
	}), "it is as it was before")
	b.compareWith(t, l.batch, second, true)
	require.Equal(t, strings.ReplaceAll(want, "conflict", "pending"), b.statuses(t, l.batch))
	require.Equal(t, []string{"2|", "n|", "2|1", "1|2", "1|", "2|"}, b.befores(t, l.batch), "what it overwrites")
}

// What relabel itself sent since is told by its batch; what somebody put back by hand is not.
func TestConflictNamesTheBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, asIs, wish{target: "a", name: "ours"}, wish{target: "b", name: "older"})
	l := b.plan(t, wish{target: "a", name: "n"}, wish{target: "b", name: "n"}, wish{target: "c", alt: "n"})
	b.compare(t, l.batch, map[string][2]string{"a": {"ours", ""}, "b": {"1", ""}, "c": {"1", "1"}})
	later := b.run(t, strings.TrimSpace, wish{target: "a", name: " later "}, wish{target: "c", alt: "later"})
	require.Equal(t, "conflict conflict conflict", b.compare(t, l.batch, map[string][2]string{"a": {"later", ""}, "b": {"older", ""}, "c": {"1", "later"}}))
	require.Equal(t, []string{
		`changed by batch ` + text(later.batch) + `: the name was "ours" and is "later"`,
		`changed by somebody else: the name was "1" and is "older"`,
		`changed by batch ` + text(later.batch) + `: the alt text was "1" and is "later"`,
	}, b.errors(t, l.batch))
}

// A name that the server normalised when relabel sent it is the name wanted.
func TestCompareNormalised(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, strings.TrimSpace, wish{target: "a", name: " x "}, wish{target: "b", name: " y "})
	b.run(t, asIs, wish{target: "b", name: "other"})
	l := b.plan(t, wish{target: "a", name: " x "}, wish{target: "b", name: " y "})
	require.Equal(t, "unchanged pending", b.compare(t, l.batch, map[string][2]string{"a": {"x", ""}, "b": {"y", ""}}),
		"b was renamed since: somebody has put the name back, and the server may treat ours otherwise by now")
	require.Equal(t, "conflict pending", b.compare(t, l.batch, map[string][2]string{"a": {"z", ""}, "b": {"y", ""}}))
}

// A plan supersedes what is older and open when it is applied, not when it is made.
func TestApply(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.plan(t, wish{target: "a", name: "planned"}, wish{target: "b", name: "planned"}, wish{target: "c", name: "there"})
	b.compare(t, l.batch, map[string][2]string{"a": {"1", ""}, "b": {"1", ""}, "c": {"there", ""}})
	require.Equal(t, db.Held, b.claim(t, l.ids[0]).Verdict, "a plan sends nothing")

	meanwhile := b.loadWith(t, b.wishes(wish{target: "a", name: "loaded after the plan"}, wish{target: "c", name: "other"}, wish{target: "e", name: "x"}))
	b.apply(t, l.batch)
	require.Equal(t, "pending pending pending", b.statuses(t, l.batch), "the last one no longer is what it was: another name is on its way")
	require.Equal(t, "superseded superseded pending", b.statuses(t, meanwhile.batch))
	require.Equal(t, db.BatchActive, b.status(t, l.batch).Status)
	require.ErrorIs(t, b.Apply(t.Context(), db.ApplyParams{BatchID: l.batch, Queue: noQueue}), db.ErrNotPlanned)
	require.ErrorIs(t, b.Compare(t.Context(), db.CompareParams{BatchID: l.batch}), db.ErrNotPlanned)
	require.ErrorIs(t, b.CompareWithRecord(t.Context(), l.batch), db.ErrNotPlanned)
	require.ErrorIs(t, b.Discard(t.Context(), l.batch), db.ErrNotPlanned)
	require.ErrorAs(t, b.Apply(t.Context(), db.ApplyParams{BatchID: 99, Queue: noQueue}), new(db.NoBatchError))
	b.sendAll(t, asIs, l.ids...)
	require.Equal(t, db.BatchDone, b.status(t, l.batch).Status)

	later := b.load(t, "a")
	b.settle(t, later.ids[0], "failed")
	require.Equal(t, "succeeded succeeded succeeded", b.statuses(t, l.batch))
}

// A plan with nothing to send is done when it is applied.
func TestApplyNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.plan(t, wish{target: "a", name: "x"})
	require.Equal(t, "unchanged", b.compare(t, l.batch, map[string][2]string{"a": {"x", ""}}))
	b.apply(t, l.batch)
	s := b.status(t, l.batch)
	require.Equal(t, db.BatchDone, s.Status)
	require.NotNil(t, s.FinishedAt)
}

// What relabel itself has sent since the site was read is not sent once more. What was
// sent before that says less than the reading: somebody has changed it since.
func TestApplyAfterTheSameNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, asIs, wish{target: "before", name: "x"})
	wishes := []wish{{target: "same", name: "x"}, {target: "other", name: "x"}, {target: "before", name: "x"}, {target: "failed", name: "x"}}
	l := b.plan(t, wishes...)
	p := b.wishes(wishes...)
	p.Planned, p.Force = true, true
	forced := b.loadWith(t, p)
	state := map[string][2]string{"same": {"1", ""}, "other": {"1", ""}, "before": {"by hand", ""}, "failed": {"1", ""}}
	for _, plan := range []int64{l.batch, forced.batch} {
		require.Equal(t, "pending pending pending pending", b.compare(t, plan, state))
	}
	b.run(t, asIs, wish{target: "same", name: "x"}, wish{target: "other", name: "y"})
	failed := b.loadWith(t, b.wishes(wish{target: "failed", name: "x"}))
	b.settle(t, failed.ids[0], "failed")
	b.apply(t, l.batch)
	require.Equal(t, "unchanged pending pending pending", b.statuses(t, l.batch))
	b.apply(t, forced.batch)
	require.Equal(t, "pending pending pending pending", b.statuses(t, forced.batch))
}

// A plan without any change is done as soon as that is known. Conflicts keep it open.
func TestEndEmpty(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.plan(t, wish{target: "a", name: "x"})
	ended, err := b.EndEmpty(t.Context(), l.batch)
	require.NoError(t, err)
	require.False(t, ended, "it was not compared")
	b.compare(t, l.batch, map[string][2]string{"a": {"y", ""}})
	ended, err = b.EndEmpty(t.Context(), l.batch)
	require.NoError(t, err)
	require.False(t, ended)
	require.Equal(t, "conflict", b.compare(t, l.batch, map[string][2]string{"a": {"z", ""}}))
	ended, err = b.EndEmpty(t.Context(), l.batch)
	require.NoError(t, err)
	require.False(t, ended)
	b.compare(t, l.batch, map[string][2]string{"a": {"x", ""}})
	ended, err = b.EndEmpty(t.Context(), l.batch)
	require.NoError(t, err)
	require.True(t, ended)
	require.Equal(t, db.BatchDone, b.status(t, l.batch).Status)
	require.NotNil(t, b.status(t, l.batch).FinishedAt)
	_, err = b.EndEmpty(t.Context(), l.batch)
	require.ErrorIs(t, err, db.ErrNotPlanned)
}

// A row found unchanged is sent after all where relabel sent something since the reading began, or may have.
func TestApplyStaleUnchanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.loadWith(t, b.wishes(wish{target: "old", name: "x"}))
	b.sendAll(t, asIs, old.ids...)
	doubt := b.loadWith(t, b.wishes(wish{target: "unknown", name: "y"}))
	f := answer(b.mustClaim(t, doubt.ids[0]), "failed")
	f.Unknown = true
	b.finish(t, f)
	l := b.plan(t, wish{target: "old", name: "x"}, wish{target: "sent", name: "x"}, wish{target: "flying", name: "x"},
		wish{target: "open", name: "x"}, wish{target: "unknown", name: "x"}, wish{target: "planned", name: "x"}, wish{target: "none", name: "x"})
	state := map[string][2]string{}
	for _, target := range []string{"old", "sent", "flying", "open", "unknown", "planned", "none"} {
		state[target] = [2]string{"x", ""}
	}
	require.Equal(t, strings.TrimSpace(strings.Repeat("unchanged ", 7)), b.compare(t, l.batch, state))
	b.run(t, asIs, wish{target: "sent", name: "y"})
	flying := b.loadWith(t, b.wishes(wish{target: "flying", name: "y"}))
	claimed := b.mustClaim(t, flying.ids[0])
	b.loadWith(t, b.wishes(wish{target: "open", name: "y"}))
	b.plan(t, wish{target: "planned", name: "y"})
	b.apply(t, l.batch)
	require.Equal(t, "unchanged pending pending pending pending unchanged unchanged", b.statuses(t, l.batch))
	require.Equal(t, db.Wait, b.claim(t, l.ids[2]).Verdict, "the older call is in flight")
	b.finish(t, answer(claimed, "succeeded"))
	require.Equal(t, "superseded", b.statuses(t, flying.batch))
	b.mustClaim(t, l.ids[2])
}

// By relabel's own record: no reading, and no conflict.
func TestCompareWithRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, strings.TrimSpace, wish{target: "a", name: " x "}, wish{target: "b", name: "x"}, wish{target: "d", name: "x", alt: "t"})
	wishes := []wish{
		{target: "a", name: " x "},
		{target: "b", name: "y"},
		{target: "c", name: "x"},
		{target: "d", alt: "t"},
		{"b/fr", "x", "", "expected"},
	}
	l := b.plan(t, wishes...)
	require.NoError(t, b.CompareWithRecord(t.Context(), l.batch))
	require.Equal(t, "unchanged pending pending unchanged pending", b.statuses(t, l.batch))
	b.requireCountsAddUp(t)
	b.exec(t, `UPDATE batch SET planned_at = planned_at - interval '1 h'`)
	st, err := b.PlanState(t.Context(), l.batch)
	require.NoError(t, err)
	require.False(t, st.Stale(time.Minute), "a record does not age")

	b.run(t, asIs, wish{target: "a", name: "z"}, wish{target: "c", name: "x"})
	b.apply(t, l.batch)
	require.Equal(t, "pending pending unchanged unchanged pending", b.statuses(t, l.batch), "what was sent since counts")

	p := b.wishes(wishes...)
	p.Planned, p.Force = true, true
	forced := b.loadWith(t, p)
	require.NoError(t, b.CompareWithRecord(t.Context(), forced.batch))
	b.apply(t, forced.batch)
	require.Equal(t, "pending pending pending pending pending", b.statuses(t, forced.batch))
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.plan(t, wish{target: "a", name: "x"}, wish{target: "b", name: "x"})
	b.compare(t, l.batch, map[string][2]string{"a": {"x", ""}, "b": {"1", ""}})
	require.NoError(t, b.Discard(t.Context(), l.batch))
	require.Equal(t, "unchanged cancelled", b.statuses(t, l.batch))
	b.requireCountsAddUp(t)
	require.Equal(t, db.BatchCancelled, b.status(t, l.batch).Status)
	require.ErrorIs(t, b.Apply(t.Context(), db.ApplyParams{BatchID: l.batch, Queue: noQueue}), db.ErrNotPlanned)
	got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: l.batch, Statuses: []db.RowStatus{"cancelled"}}, nil)
	require.NoError(t, err)
	require.Zero(t, got, "it was never accepted")
}

// The plan's facts: names that lose their extension, locales.
func TestPlanFacts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	state := map[string][2]string{}
	var wishes []wish
	for i, names := range [][2]string{ // before, after; the first ones lose or change it
		{"a.jpg", "a"},
		{"a.jpg", "a.png"},
		{"a.jpg", "ajpg"},
		{"a.JPG", "a.jpe"},
		{"a.webp", "a.webp.x y"},
		{"a.webp", "a v1.5"},
		{"a.jpg", "b.jpg"},
		{"a.jpg", "b.JPG"},
		{"a", "b"},
		{"v1.2 of this", "b"},
		{"a.notanextension", "b"},
	} {
		target := "t" + text(int64(i))
		state[target] = [2]string{names[0], ""}
		wishes = append(wishes, wish{target: target, name: names[1]})
	}
	state["t6/fr"], state["t7/fr"] = [2]string{"x", ""}, [2]string{"x", ""}
	wishes = append(wishes, wish{target: "t6/fr", name: "b.jpg"}, wish{target: "t7/fr", name: "another.jpg"})
	l := b.plan(t, wishes...)
	b.compare(t, l.batch, state)
	f, err := records.Facts(t.Context(), b.DB, l.batch)
	require.NoError(t, err)
	require.Equal(t, []int64{4, 2, 2, 1}, []int64{f.LosesExtension, f.ChangesExtension, f.Localized, f.LocaleConflicts})
	require.Equal(t, ".jpg → .jpe", *f.ExtensionChange)
	changes, err := records.Changes(t.Context(), b.DB, l.batch, 3, 2)
	require.NoError(t, err)
	require.Equal(t, []int64{4, 5}, []int64{changes[0].Line, changes[1].Line})
	require.Equal(t, "a.jpg", *changes[0].BeforeName)
}

// Which targets a reading still lacks: of a plan all, of other batches those that succeeded.
func TestUnreadTargets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.params(rowsOf("a", "b", "b", "a/fr", "!c", "d"))
	p.Planned = true
	l := b.loadWith(t, p)
	now, err := b.Now(t.Context())
	require.NoError(t, err)
	locales, err := b.Targets(t.Context(), l.batch)
	require.NoError(t, err)
	require.Equal(t, []db.LocaleTargets{{LocaleID: "", Targets: 3}, {LocaleID: "fr", Targets: 1}}, locales)
	unread := func(batch int64) (ids []string) {
		n, err := b.CountUnread(t.Context(), batch, "", now)
		require.NoError(t, err)
		for after := int64(0); ; {
			page, err := b.UnreadTargets(t.Context(), batch, "", now, after, 1)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			ids, after = append(ids, page[0].AssetID), page[0].RenameID
		}
		require.Len(t, ids, int(n))
		return ids
	}
	require.Equal(t, []string{"a", "b", "d"}, unread(l.batch))
	b.holds(t, map[string][2]string{"b": {"x", ""}})
	require.Equal(t, []string{"a", "d"}, unread(l.batch))
	b.exec(t, `UPDATE asset_state SET read_at = read_at - interval '1 s'`)
	require.Equal(t, []string{"a", "b", "d"}, unread(l.batch))
	b.compare(t, l.batch, map[string][2]string{"a": {"x", ""}, "b": {"x", ""}, "d": {"x", ""}, "a/fr": {"x", ""}})
	b.apply(t, l.batch)
	b.exec(t, `DELETE FROM asset_state`)
	require.Empty(t, unread(l.batch), "nothing was sent")
	b.settle(t, l.ids[0], "succeeded")
	b.settle(t, l.ids[5], "failed")
	require.Equal(t, []string{"a"}, unread(l.batch))

	var states []string
	b.holds(t, map[string][2]string{"b": {"x", ""}, "a": {"x", ""}, "c": {"gone", ""}, "z/fr": {"x", ""}})
	for s, err := range b.States(t.Context(), b.site.ID, "", now) {
		require.NoError(t, err)
		states = append(states, s.AssetID)
	}
	require.True(t, slices.Equal([]string{"a", "b"}, states), "%v", states)
}

// A comparison writes all rows of a page again. They fit into it, so that no index is written.
func TestCompareIsHOT(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.params(numbered(500, 500))
	p.Planned = true
	plan := b.loadWith(t, p).batch
	b.readAll(t, plan)
	pages := func() []int64 {
		return list[int64](t, b, `SELECT ((ctid::text::point)[0])::bigint FROM rename WHERE batch_id = $1 ORDER BY id`, plan)
	}
	before := pages()
	require.NoError(t, b.Compare(t.Context(), db.CompareParams{BatchID: plan, ReadBy: "list"}))
	require.EqualValues(t, 50, b.status(t, plan).Unchanged)
	moved := 0
	for i, page := range pages() {
		if page != before[i] {
			moved++
		}
	}
	require.LessOrEqual(t, moved, 50, "rows on another page; those that became unchanged may be")
}
