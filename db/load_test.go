package db_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// then appends to rows what is to happen after the last one.
func then(rows iter.Seq2[*db.SourceRow, error], next func() error) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		for row, err := range rows {
			if !yield(row, err) {
				return
			}
		}
		if err := next(); err != nil {
			yield(nil, err)
		}
	}
}

// numbered makes n rows of targets of their own, or of modulo targets.
func numbered(n, modulo int) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		name := "name"
		for i := range n {
			row := db.SourceRow{Line: int64(i + 2), AssetID: fmt.Sprintf("%024x", i%modulo), DisplayName: &name}
			if !yield(&row, nil) {
				return
			}
		}
	}
}

func (b *testBundle) requireNothingLoaded(t tb) {
	t.Helper()
	require.Equal(t, []int{0, 0}, []int{
		value[int](t, b, `SELECT count(*)::int FROM batch WHERE site_id = $1`, b.site.ID),
		value[int](t, b, `SELECT count(*)::int FROM rename WHERE site_id = $1`, b.site.ID),
	}, "batches and renames")
	require.Zero(t, value[int64](t, b, `SELECT last FROM acceptance WHERE site_id = $1`, b.site.ID))
}

func TestLoadKeepsRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name, alt, expected := "Größe, 2\n\"x\"", "", "old"
	rows := func(yield func(*db.SourceRow, error) bool) {
		_ = yield(&db.SourceRow{Line: 7, AssetID: "a1", LocaleID: "l1", DisplayName: &name, AltText: &alt, ExpectedName: &expected}, nil) &&
			yield(&db.SourceRow{Line: 9, AssetID: "a2", AltText: &alt}, nil) &&
			yield(&db.SourceRow{Line: 11, AssetID: "a2", Refused: "sets nothing"}, nil)
	}
	p := b.params(rows)
	p.Name, p.Source, p.Priority = "spring", "spring.csv", 3
	l := b.loadWith(t, p)

	var got []records.Result
	for r, err := range records.Results(t.Context(), b.DB, l.batch, nil) {
		require.NoError(t, err)
		got = append(got, r)
	}
	require.Len(t, got, 3)
	require.NotNil(t, got[2].FinishedAt)
	got[2].FinishedAt = nil
	require.Equal(t, []records.Result{
		{Line: 7, AssetID: "a1", LocaleID: "l1", DisplayName: &name, AltText: &alt, Status: "pending"},
		{Line: 9, AssetID: "a2", AltText: &alt, Status: "pending"},
		{Line: 11, AssetID: "a2", Status: "invalid", Error: ptr("sets nothing")},
	}, got)
	require.Equal(t, "old", value[string](t, b, `SELECT expected_name FROM rename WHERE line = 7`))

	s := b.status(t, l.batch)
	require.Equal(t, []any{"spring", "spring.csv", db.DefaultSite, db.BatchActive}, []any{s.Name, s.Source, s.Site, s.Status})
	require.Equal(t, 3, value[int](t, b, `SELECT priority::int FROM batch`))
	require.NotNil(t, s.StartedAt)
	b.requireCountsAddUp(t)
}

func TestLoadCounts(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		rows     []string
		statuses string
		status   db.BatchStatus
	}{
		"all good":             {[]string{"a", "b"}, "pending pending", "active"},
		"same target, locales": {[]string{"a", "a/fr", "a/de"}, "pending pending pending", "active"},
		"twice: the last wins": {[]string{"a", "b", "a", "a"}, "superseded pending superseded pending", "active"},
		"refused don't win":    {[]string{"a", "!a"}, "pending invalid", "active"},
		"refused don't lose":   {[]string{"!a", "a"}, "invalid pending", "active"},
		"all refused":          {[]string{"!a", "!b"}, "invalid invalid", "done"},
		"one refused":          {[]string{"!"}, "invalid", "done"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, tt.rows...)
			require.Equal(t, tt.statuses, b.statuses(t, l.batch))
			require.Equal(t, tt.status, b.status(t, l.batch).Status)
			b.requireCountsAddUp(t)
			for _, r := range b.renames(t, l.batch) {
				require.Equal(t, r.Status == "superseded", r.SupersededBy != nil)
				if r.SupersededBy != nil {
					require.Equal(t, l.ids[len(l.ids)-1], *r.SupersededBy)
				}
			}
		})
	}
}

// The ids rise with the input, whoever else loads meanwhile; and no row of another batch is taken for ours.
func TestLoadKeepsInputOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var inner loaded
	outer := b.loadWith(t, b.params(then(numbered(500, 500), func() error {
		inner = b.loadWith(t, b.params(numbered(500, 500)))
		return nil
	})))
	more := b.loadWith(t, b.params(numbered(500, 500)))
	for _, l := range []loaded{outer, inner, more} {
		lines := list[int64](t, b, `SELECT line FROM rename WHERE batch_id = $1 ORDER BY id`, l.batch)
		require.Len(t, lines, 500)
		line := int64(2)
		for r, err := range records.Results(t.Context(), b.DB, l.batch, nil) {
			require.NoError(t, err)
			require.Equal(t, line, r.Line)
			require.Equal(t, line, lines[line-2])
			line++
		}
		require.Equal(t, int64(502), line)
	}
}

func TestLoadIsAllOrNothing(t *testing.T) {
	t.Parallel()
	all := setup(t)
	errSource := errors.New("line 4: the quote is not closed")
	errQueue := errors.New("no job can be inserted")
	after := func(rows iter.Seq2[*db.SourceRow, error], err error) iter.Seq2[*db.SourceRow, error] {
		return then(rows, func() error { return err })
	}
	tests := map[string]struct {
		change func(*db.LoadParams)
		want   error
		text   string
	}{
		"no rows":           {func(p *db.LoadParams) { p.Rows = rowsOf() }, db.ErrNoRows, ""},
		"error at the head": {func(p *db.LoadParams) { p.Rows = after(rowsOf(), errSource) }, errSource, ""},
		"error at row 3":    {func(p *db.LoadParams) { p.Rows = after(rowsOf("a", "b"), errSource) }, errSource, ""},
		"error far in":      {func(p *db.LoadParams) { p.Rows = after(numbered(20_000, 20_000), errSource) }, errSource, ""},
		"no job":            {func(p *db.LoadParams) { p.Queue = func(context.Context, pgx.Tx) error { return errQueue } }, errQueue, ""},
		"NUL in a name": {func(p *db.LoadParams) {
			p.Rows = func(yield func(*db.SourceRow, error) bool) {
				yield(&db.SourceRow{AssetID: "a", DisplayName: ptr("a\x00b")}, nil)
			}
		}, nil, "error copying rows"},
		"no such site":     {func(p *db.LoadParams) { p.SiteID = -1 }, db.ErrNoSite, "removed meanwhile"},
		"no such priority": {func(p *db.LoadParams) { p.Priority = 9 }, nil, "error creating the batch"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			p := b.params(rowsOf("a", "b"))
			tt.change(&p)
			_, err := b.Load(t.Context(), p)
			require.ErrorContains(t, err, tt.text)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			b.requireNothingLoaded(t)
			require.Equal(t, "pending pending", b.statuses(t, b.load(t, "a", "b").batch), "the next one starts clean")
		})
	}
}

// A load that dies anywhere (its connection cut, its process stopped) leaves nothing, and keeps nobody waiting.
func TestLoadInterrupted(t *testing.T) {
	t.Parallel()
	cut := func(b *testBundle, t *testing.T) error {
		b.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND (query LIKE 'copy %' OR state = 'idle in transaction')`)
		return nil
	}
	tests := map[string]func(b *testBundle, t *testing.T, p *db.LoadParams, stop func()){
		"connection cut at row 5": func(b *testBundle, t *testing.T, p *db.LoadParams, _ func()) {
			p.Rows = then(rowsOf("a", "b", "c", "d"), func() error { return cut(b, t) })
		},
		"connection cut far in": func(b *testBundle, t *testing.T, p *db.LoadParams, _ func()) {
			p.Rows = then(numbered(30_000, 30_000), func() error { return cut(b, t) })
		},
		"connection cut before the commit": func(b *testBundle, t *testing.T, p *db.LoadParams, _ func()) {
			p.Queue = func(context.Context, pgx.Tx) error { return cut(b, t) }
		},
		"stopped at row 5": func(_ *testBundle, _ *testing.T, p *db.LoadParams, stop func()) {
			p.Rows = then(rowsOf("a", "b", "c", "d"), func() error { stop(); return nil })
		},
		"stopped before the commit": func(_ *testBundle, _ *testing.T, p *db.LoadParams, stop func()) {
			p.Queue = func(context.Context, pgx.Tx) error { stop(); return nil }
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			other := &testBundle{DB: dbtest.Open(t, b.url), url: b.url, site: b.site}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			p := b.params(rowsOf("a"))
			prepare(other, t, &p, stop)
			_, err := b.Load(ctx, p)
			require.Error(t, err)
			other.requireNothingLoaded(t)
			require.Equal(t, "pending", other.statuses(t, other.load(t, "a").batch))
		})
	}
}

func TestLoadSupersedesOlder(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		prepare func(t *testing.T, b *testBundle, old loaded)
		after   string // the older batch's one row, at once
		batch   db.BatchStatus
		sent    string // the same when its call, if one is in flight, has ended
	}{
		"pending":           {func(*testing.T, *testBundle, loaded) {}, "superseded", "done", "superseded"},
		"waiting for retry": {func(t *testing.T, b *testBundle, l loaded) { b.delay(t, l.ids[0]) }, "superseded", "done", "superseded"},
		"in flight":         {func(t *testing.T, b *testBundle, l loaded) { b.mustClaim(t, l.ids[0]) }, "sending", "active", "superseded"},
		"lease ran out": {func(t *testing.T, b *testBundle, l loaded) {
			b.mustClaim(t, l.ids[0])
			b.expireLease(t, l.ids[0])
		}, "sending", "active", "superseded"},
		"paused":            {func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "paused") }, "superseded", "done", "superseded"},
		"succeeded":         {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "succeeded") }, "succeeded", "done", "succeeded"},
		"failed":            {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "failed") }, "failed", "done", "failed"},
		"conflict":          {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "conflict") }, "conflict", "done", "conflict"},
		"just cancelled":    {func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "cancelled") }, "cancelled", "cancelled", "cancelled"},
		"cancelled and off": {func(t *testing.T, b *testBundle, l loaded) { b.cancel(t, l.batch) }, "cancelled", "cancelled", "cancelled"},
		"cancelled in flight": {func(t *testing.T, b *testBundle, l loaded) {
			b.mustClaim(t, l.ids[0])
			b.setBatch(t, l.batch, "cancelled")
		}, "sending", "cancelled", "superseded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			old := b.load(t, "a")
			tt.prepare(t, b, old)
			b.exec(t, `UPDATE rename SET display_name = 'another' WHERE site_id = $1`, b.site.ID) // so that the new row is not unchanged
			young := b.load(t, "a", "b")
			row := b.rename(t, old.ids[0])
			require.Equal(t, tt.after, row.Status)
			require.Equal(t, tt.batch, b.status(t, old.batch).Status)
			if row.Status == "superseded" || row.Status == "sending" {
				require.Equal(t, young.ids[0], *row.SupersededBy)
			}
			b.requireCountsAddUp(t)
			require.Equal(t, "pending pending", b.statuses(t, young.batch))

			if tt.after == "sending" {
				b.finish(t, answer(db.Claim{RenameID: old.ids[0], Fence: 1}, "pending"))
			}
			require.Equal(t, tt.sent, b.rename(t, old.ids[0]).Status)
			b.requireCountsAddUp(t)
			b.endQuarantine(t)
			require.Equal(t, db.Final, b.claim(t, old.ids[0]).Verdict)
			b.mustClaim(t, young.ids[0])
		})
	}
}

// delay has a rename wait for its second try.
func (b *testBundle) delay(t tb, id int64) {
	t.Helper()
	f := answer(b.mustClaim(t, id), "pending")
	f.Delay = lease.Seconds()
	b.finish(t, f)
}

// cancel cancels a batch and ends its open rows.
func (b *testBundle) cancel(t tb, batch int64) {
	t.Helper()
	require.True(t, b.setBatch(t, batch, "cancelled"))
	_, _, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
}

func TestLoadLeavesOtherTargets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.load(t, "a", "b", "a/fr")
	other := b.elsewhere(t).load(t, "a")
	b.load(t, "b", "!a")
	require.Equal(t, "pending superseded pending", b.statuses(t, old.batch), "another locale, and a refused row, are no newer name")
	require.Equal(t, "pending", b.statuses(t, other.batch), "another site")
	b.requireCountsAddUp(t)
}

// Two loads at the same time: whoever commits last is the newer one, whoever began first.
func TestLoadsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	firstCopied, secondLoaded := make(chan struct{}), make(chan struct{})
	done := make(chan loaded, 1)
	go func() {
		done <- b.loadWith(t, b.params(then(rowsOf("a", "b"), func() error {
			close(firstCopied)
			<-secondLoaded
			return nil
		})))
	}()
	<-firstCopied
	second := b.load(t, "a", "b")
	close(secondLoaded)
	first := <-done
	require.Less(t, first.batch, second.batch)
	require.Equal(t, "superseded superseded", b.statuses(t, second.batch))
	require.Equal(t, "pending pending", b.statuses(t, first.batch))
	require.Equal(t, []int64{second.batch, first.batch}, list[int64](t, b, `SELECT id FROM batch ORDER BY acceptance`))
	b.requireCountsAddUp(t)
}

// A load holds the acceptance lock only while it is accepted; the next one waits for its commit, then is newer.
func TestLoadsAcceptedOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	accepted, goOn := make(chan struct{}), make(chan struct{})
	p := b.params(rowsOf("a"))
	p.Queue = func(context.Context, pgx.Tx) error {
		close(accepted)
		<-goOn
		return nil
	}
	first, second := make(chan loaded, 1), make(chan loaded, 1)
	go func() { first <- b.loadWith(t, p) }()
	<-accepted
	go func() { second <- b.load(t, "a") }()
	b.requireBlocked(t, 1)
	close(goOn)
	older, newer := <-first, <-second
	require.Equal(t, "superseded", b.statuses(t, older.batch))
	require.Equal(t, "pending", b.statuses(t, newer.batch))
	b.requireCountsAddUp(t)
}

func TestLoadAgain(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		prepare func(t *testing.T, b *testBundle, old loaded)
		force   bool
		want    string
	}{
		"succeeded":            {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "succeeded") }, false, "unchanged"},
		"succeeded, forced":    {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "succeeded") }, true, "pending"},
		"not sent":             {func(*testing.T, *testBundle, loaded) {}, false, "pending"},
		"failed":               {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "failed") }, false, "pending"},
		"in flight":            {func(t *testing.T, b *testBundle, l loaded) { b.mustClaim(t, l.ids[0]) }, false, "pending"},
		"waiting for a retry":  {func(t *testing.T, b *testBundle, l loaded) { b.delay(t, l.ids[0]) }, false, "pending"},
		"cancelled before":     {func(t *testing.T, b *testBundle, l loaded) { b.cancel(t, l.batch) }, false, "pending"},
		"unchanged, succeeded": {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "succeeded"); b.load(t, "a") }, false, "unchanged"},
		"another name failed since": {func(t *testing.T, b *testBundle, l loaded) {
			b.settle(t, l.ids[0], "succeeded")
			b.settle(t, b.loadWith(t, b.params(named("a", "x"))).ids[0], "failed")
		}, false, "pending"},
		"another name cancelled unsent": {func(t *testing.T, b *testBundle, l loaded) {
			b.settle(t, l.ids[0], "succeeded")
			b.cancel(t, b.loadWith(t, b.params(named("a", "x"))).batch)
		}, false, "unchanged"},
		"another name waiting": {func(t *testing.T, b *testBundle, l loaded) {
			b.settle(t, l.ids[0], "succeeded")
			b.loadWith(t, b.params(named("a", "x")))
		}, false, "unchanged"},
		"another name in flight": {func(t *testing.T, b *testBundle, l loaded) {
			b.settle(t, l.ids[0], "succeeded")
			b.mustClaim(t, b.loadWith(t, b.params(named("a", "x"))).ids[0])
		}, false, "pending"},
		// The process that had claimed it is gone; whether it called nobody knows.
		"another name lost and cancelled": {func(t *testing.T, b *testBundle, l loaded) {
			b.settle(t, l.ids[0], "succeeded")
			lost := b.loadWith(t, b.params(named("a", "x")))
			b.mustClaim(t, lost.ids[0])
			b.expireLease(t, lost.ids[0])
			b.cancel(t, lost.batch)
		}, false, "pending"},
		"another name lost and superseded": {func(t *testing.T, b *testBundle, l loaded) {
			b.settle(t, l.ids[0], "succeeded")
			lost := b.loadWith(t, b.params(named("a", "x")))
			b.mustClaim(t, lost.ids[0])
			b.expireLease(t, lost.ids[0])
			b.cancel(t, b.loadWith(t, b.params(named("a", "y"))).batch)
			require.Equal(t, db.Final, b.claim(t, lost.ids[0]).Verdict)
		}, false, "pending"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			tt.prepare(t, b, b.load(t, "a"))
			p := b.params(rowsOf("a"))
			p.Force = tt.force
			l := b.loadWith(t, p)
			require.Equal(t, tt.want, b.statuses(t, l.batch))
			b.requireCountsAddUp(t)
		})
	}
}

// named is one row with a name of its own.
func named(asset, name string) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		yield(&db.SourceRow{Line: 2, AssetID: asset, DisplayName: &name}, nil)
	}
}

// What is already there is compared field by field: a field that the row leaves alone does not count.
func TestLoadAgainComparesFields(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		sent, row db.SourceRow
		want      string
	}{
		"same name":              {db.SourceRow{DisplayName: ptr("n")}, db.SourceRow{DisplayName: ptr("n")}, "unchanged"},
		"same name, alt kept":    {db.SourceRow{DisplayName: ptr("n"), AltText: ptr("t")}, db.SourceRow{DisplayName: ptr("n")}, "unchanged"},
		"same name, alt not set": {db.SourceRow{DisplayName: ptr("n")}, db.SourceRow{DisplayName: ptr("n"), AltText: ptr("t")}, "pending"},
		"another name":           {db.SourceRow{DisplayName: ptr("n")}, db.SourceRow{DisplayName: ptr("N")}, "pending"},
		"another alt":            {db.SourceRow{AltText: ptr("t")}, db.SourceRow{AltText: ptr("")}, "pending"},
		"empty alt":              {db.SourceRow{AltText: ptr("")}, db.SourceRow{AltText: ptr("")}, "unchanged"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			one := func(r db.SourceRow) db.LoadParams {
				r.AssetID, r.Line = "a", 2
				return b.params(func(yield func(*db.SourceRow, error) bool) { yield(&r, nil) })
			}
			b.settle(t, b.loadWith(t, one(tt.sent)).ids[0], "succeeded")
			require.Equal(t, tt.want, b.statuses(t, b.loadWith(t, one(tt.row)).batch))
		})
	}
}

// Two files that set different fields of the same assets are each sent once: a call leaves a field as it is that it does
// not set. This holds for a load, and for a plan by our own record.
func TestLoadAgainComparesEachField(t *testing.T) {
	t.Parallel()
	all := setup(t)
	name, alt := wish{target: "a", name: "n"}, wish{target: "a", alt: "t"}
	load := func(t *testing.T, b *testBundle, w wish) loaded { return b.loadWith(t, b.wishes(w)) }
	plan := func(t *testing.T, b *testBundle, w wish) loaded {
		l := b.plan(t, w)
		require.NoError(t, b.CompareWithRecord(t.Context(), l.batch))
		return l
	}
	tests := map[string]struct {
		sent []wish
		last db.RowStatus // of the last one that was sent
		row  wish
		want string
	}{
		"the name again":                {[]wish{name, alt}, "succeeded", name, "unchanged"},
		"the alt text again":            {[]wish{name, alt, name}, "succeeded", alt, "unchanged"},
		"both":                          {[]wish{name, alt}, "succeeded", wish{target: "a", name: "n", alt: "t"}, "unchanged"},
		"the name, the alt text failed": {[]wish{name, alt}, "failed", name, "unchanged"},
		"both, the alt text failed":     {[]wish{name, alt}, "failed", wish{target: "a", name: "n", alt: "t"}, "pending"},
		"a name that failed":            {[]wish{name, alt, name}, "failed", name, "pending"},
		"another name since":            {[]wish{name, {target: "a", name: "N"}, alt}, "succeeded", name, "pending"},
	}
	for label, tt := range tests {
		for how, try := range map[string]func(*testing.T, *testBundle, wish) loaded{"load": load, "plan": plan} {
			t.Run(how+" "+label, func(t *testing.T) {
				t.Parallel()
				b := all.elsewhere(t)
				for i, w := range tt.sent {
					status := db.RowSucceeded
					if i == len(tt.sent)-1 {
						status = tt.last
					}
					p := b.wishes(w)
					p.Force = true // or it would be unchanged
					b.settle(t, b.loadWith(t, p).ids[0], status)
				}
				require.Equal(t, tt.want, b.statuses(t, try(t, b, tt.row).batch))
			})
		}
	}
}
