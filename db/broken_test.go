package db_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/notice"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
)

// breaks lets the n-th statement from now on fail before it is sent, as it does
// when its connection or its time is over.
type breaks struct {
	left  atomic.Int64
	fired atomic.Bool
}

func (b *breaks) pass(ctx context.Context) context.Context {
	if b.left.Add(-1) != 0 {
		return ctx
	}
	b.fired.Store(true)
	over, cancel := context.WithCancel(ctx)
	cancel()
	return over
}

func (b *breaks) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return b.pass(ctx)
}
func (b *breaks) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (b *breaks) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return b.pass(ctx)
}
func (b *breaks) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

func (b *breaks) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return b.pass(ctx)
}
func (b *breaks) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (b *breaks) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// brittle is a database whose statements break when told to, beside a sound one.
type brittle struct {
	*testBundle
	*testing.T

	breaks *breaks
	frail  *db.DB
}

func newBrittle(t *testing.T, b *testBundle) *brittle {
	t.Helper()
	x := &brittle{testBundle: b, T: t, breaks: &breaks{}}
	cfg := b.Pool().Config()
	cfg.ConnConfig.Tracer = x.breaks
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	x.frail = db.OnPool(pool)
	return x
}

// each does something again and again, with its first statement broken, then its
// second, and so on, until none of them is: each time but the last it is an error.
func (x *brittle) each(what string, do func(ctx context.Context, d *db.DB) error, then func()) {
	x.Helper()
	for n := int64(1); ; n++ {
		x.breaks.fired.Store(false)
		x.breaks.left.Store(n)
		err := do(x.Context(), x.frail)
		if !x.breaks.fired.Load() || err == nil { // or what was broken is left to others, see acceptAll
			x.breaks.left.Store(0)
			require.NoError(x.T, err, what)
			require.Greater(x.T, n, int64(1), "%s: no statement", what)
			return
		}
		require.ErrorIs(x.T, err, context.Canceled, "%s: statement %d", what, n)
		x.waitIdle()
		if then != nil {
			then()
		}
	}
}

// waitIdle waits until the server has undone the transaction of a connection that broke
// at its COMMIT. Until then its locks remain, and the next try would skip locked rows.
func (x *brittle) waitIdle() {
	x.Helper()
	require.Eventually(x.T, func() bool {
		return value[bool](x.T, x.testBundle, `SELECT NOT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle')`)
	}, patience, time.Millisecond)
}

// reads is each, of what reads.
func (x *brittle) reads(what string, do func(ctx context.Context, d *db.DB) error) {
	x.Helper()
	x.each(what, do, nil)
}

// whole is each, of what is done as a whole or not at all.
func (x *brittle) whole(what string, do func(ctx context.Context, d *db.DB) error) {
	x.Helper()
	was := x.contents()
	x.each(what, do, func() { require.Equal(x.T, was, x.contents(), "%s: something is left", what) })
}

// steps is each, of what is done in several transactions: what is left undone the
// next try does.
func (x *brittle) steps(what string, do func(ctx context.Context, d *db.DB) error) {
	x.Helper()
	x.each(what, do, nil)
}

func (x *brittle) contents() string {
	x.Helper()
	return value[string](x.T, x.testBundle, `
		SELECT string_agg(query_to_xml('SELECT * FROM ' || c.oid::regclass || ' t ORDER BY t::text', true, false, '')::text, '' ORDER BY c.oid)
		FROM pg_class c WHERE c.relnamespace = 'relabel'::regnamespace AND c.relkind = 'r'`)
}

// drop1 and drop2 leave out what a call gives beside its error.
func drop1[A any](_ A, err error) error { return err }

func drop2[A, B any](_ A, _ B, err error) error { return err }

func drain[T any](rows iter.Seq2[T, error]) error {
	for _, err := range rows {
		if err != nil {
			return err
		}
	}
	return nil
}

// Whichever statement of a load or of a plan's way breaks, that is an error, and
// nothing of it is there.
func TestBrokenLoads(t *testing.T) {
	t.Parallel()
	x := newBrittle(t, setup(t))
	l := x.load(t, "a", "b", "c")
	x.settle(t, l.ids[0], "succeeded")
	x.whole("load", func(ctx context.Context, d *db.DB) error { return drop1(d.Load(ctx, x.params(rowsOf("a", "b", "!c")))) })
	since := x.holds(t, map[string][2]string{"a": {"a0", ""}, "b": {"b0", ""}})
	plans := make([]int64, 3)
	for i := range plans {
		plans[i] = x.plan(t, wish{target: "a", name: "a1"}, wish{target: "b", name: "b1", alt: "x"}).batch
	}
	x.whole("compare", func(ctx context.Context, d *db.DB) error {
		return d.Compare(ctx, db.CompareParams{BatchID: plans[0], Since: since, ReadBy: "list", Reads: 1})
	})
	x.whole("apply", func(ctx context.Context, d *db.DB) error {
		return d.Apply(ctx, db.ApplyParams{BatchID: plans[0], Queue: noQueue})
	})
	x.whole("compare with the record", func(ctx context.Context, d *db.DB) error { return d.CompareWithRecord(ctx, plans[1]) })
	x.reads("replacement", func(ctx context.Context, d *db.DB) error { return drop1(records.Replacing(ctx, d, plans[1], plans[0])) })
	x.whole("replace", func(ctx context.Context, d *db.DB) error {
		return d.Apply(ctx, db.ApplyParams{BatchID: plans[1], Replaces: plans[0], Queue: noQueue})
	})
	x.reads("plan", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(d.PlanState(ctx, plans[2])), drop1(records.Facts(ctx, d, plans[2])), drop1(records.Changes(ctx, d, plans[2], 0, 10)))
	})
	x.reads("targets", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(d.Targets(ctx, plans[2])), drop1(d.CountUnread(ctx, plans[2], "", since)),
			drop1(d.UnreadTargets(ctx, plans[2], "", since, 0, 5)), drain(d.States(ctx, x.site.ID, "", since)))
	})
	x.whole("discard", func(ctx context.Context, d *db.DB) error { return d.Discard(ctx, plans[2]) })
	sent := x.planned(t, strings.TrimSpace, map[string][2]string{"z": {"z0", ""}}, wish{target: "z", name: "z1"})
	x.whole("undo", func(ctx context.Context, d *db.DB) error {
		return drop1(d.Undo(ctx, db.UndoParams{BatchID: sent.batch}))
	})
	x.requireCountsAddUp(t)
}

// The same for a batch's rows.
func TestBrokenRenames(t *testing.T) {
	t.Parallel()
	x := newBrittle(t, setup(t))
	l := x.load(t, "a", "b", "c", "d")
	x.settle(t, l.ids[0], "failed")
	x.settle(t, l.ids[1], "succeeded")
	x.reads("looks", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(records.Batch(ctx, d, l.batch)), drop1(records.Batches(ctx, d, "", 5)), drop1(records.OpenBatches(ctx, d, 5, db.DefaultSite)),
			drop1(records.RecentErrors(ctx, d, []int64{l.batch})), drain(records.Results(ctx, d, l.batch, nil)), drop1(records.Normalised(ctx, d, l.batch)))
	})
	x.reads("figures", func(ctx context.Context, d *db.DB) error {
		now := time.Now()
		return errors.Join(drop1(records.Backlog(ctx, d, x.site.ID)), drop1(records.TroubledSince(ctx, d, x.site.ID, now)),
			drop1(records.Calls(ctx, d, l.batch, now.Add(-time.Hour), now, time.Minute)), drop1(records.LaneUsers(ctx, d)), drop1(records.LaneBatches(ctx, d, db.DefaultSite, 5)), drop1(records.LiveProcesses(ctx, d)),
			drop1(records.Progress(ctx, d, []int{x.site.ID}, now)))
	})
	x.reads("findings", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(d.CountFound(ctx, l.batch, time.Now())), drain(d.Findings(ctx, l.batch, time.Now(), []string{"changed"}, 5)))
	})
	x.reads("story", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(records.Story(ctx, d, records.StoryParams{AssetID: "a"})), drop1(records.Story(ctx, d, records.StoryParams{RenameID: l.ids[1]})))
	})
	x.reads("row table", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(records.Rows(ctx, d, records.RowQuery{})), drop1(records.CountRows(ctx, d, records.RowFilter{Name: "line"}, 0)),
			drop1(records.RowErrors(ctx, d, records.RowFilter{}, 5)), drop1(records.AllRowErrors(ctx, d, records.RowFilter{}, 5)))
	})
	x.whole("claim", func(ctx context.Context, d *db.DB) error {
		return drop1(d.Claim(ctx, db.ClaimParams{ProcessID: process, RenameIDs: l.ids[2:3], Lease: lease, Quarantine: quarantine}))
	})
	x.whole("finish", func(ctx context.Context, d *db.DB) error {
		f := answer(db.Claim{RenameID: l.ids[2], Fence: 1}, "failed")
		return drop1(d.Finish(ctx, db.FinishParams{ProcessID: process, Finishes: []db.Finish{f}, Quarantine: quarantine}))
	})
	well := x.mustClaim(t, x.load(t, "well").ids[0])
	x.whole("finish of a success", func(ctx context.Context, d *db.DB) error {
		fs := []db.Finish{answer(well, "succeeded")}
		return drop1(d.Finish(ctx, db.FinishParams{ProcessID: process, Finishes: fs, Quarantine: quarantine}))
	})
	x.steps("retry", func(ctx context.Context, d *db.DB) error {
		return drop1(records.RetryRows(ctx, d, records.RowFilter{Batch: l.batch, Statuses: []db.RowStatus{"failed"}}, nil))
	})
	x.steps("cancel rows", func(ctx context.Context, d *db.DB) error {
		return drop1(records.CancelRows(ctx, d, records.RowFilter{AssetID: "d"}, nil))
	})
	x.steps("abandon", func(ctx context.Context, d *db.DB) error { return d.Abandon(ctx, x.site.ID, "its API is gone") })
	require.Zero(t, x.status(t, l.batch).Left())
	x.requireCountsAddUp(t)
}

// The same for sites, lanes and what is recorded of people.
func TestBrokenSites(t *testing.T) {
	t.Parallel()
	x := newBrittle(t, setup(t))
	id := x.site.ID
	x.reads("sites", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(d.Sites(ctx)), drop1(d.SiteByID(ctx, id)), drop1(d.SiteByName(ctx, db.DefaultSite)), drop1(d.Skew(ctx)))
	})
	x.whole("save", func(ctx context.Context, d *db.DB) error { return d.SaveSite(ctx, db.Site{Name: "mine"}) })
	x.steps("lane", func(ctx context.Context, d *db.DB) error {
		return d.EnsureLane(ctx, id, db.LaneSettings{Fingerprint: "f", Limit: 5, Window: time.Minute})
	})
	x.reads("lane's state", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop2(records.Lane(ctx, d, db.DefaultSite)), drop2(records.EndsIn(ctx, d, db.DefaultSite, 7)))
	})
	x.whole("grant", func(ctx context.Context, d *db.DB) error {
		return drop1(d.Grant(ctx, db.GrantParams{Lane: "f", ProcessID: process, Want: 2, Hold: time.Minute}))
	})
	x.whole("observe", func(ctx context.Context, d *db.DB) error {
		return d.Observe(ctx, "f", []db.Observation{{Limit: 9, Remaining: 3, SentAgo: 1}})
	})
	x.whole("block", func(ctx context.Context, d *db.DB) error { return d.BlockLane(ctx, "f", time.Minute) })
	x.whole("settle", func(ctx context.Context, d *db.DB) error { return d.SettleGrant(ctx, 1, time.Second) })
	x.whole("release", func(ctx context.Context, d *db.DB) error { return d.ReleaseGrants(ctx, []int64{2}) })
	x.whole("park", func(ctx context.Context, d *db.DB) error { return d.ParkSite(ctx, id, "f", "401") })
	x.whole("unpark for a token", func(ctx context.Context, d *db.DB) error { return d.UnparkForTokens(ctx, []int{id}, []string{"g"}) })
	x.whole("unpark", func(ctx context.Context, d *db.DB) error { return drop1(d.UnparkSite(ctx, id)) })
	x.whole("pause", func(ctx context.Context, d *db.DB) error { return drop1(d.PauseSite(ctx, id, true)) })
	x.whole("locales", func(ctx context.Context, d *db.DB) error {
		return d.KeepLocales(ctx, id, []db.SiteLocale{{ID: "l", Tag: "fr"}})
	})
	x.whole("beat", func(ctx context.Context, d *db.DB) error { return d.Beat(ctx, db.Process{ID: process}) })
	x.whole("end", func(ctx context.Context, d *db.DB) error { return d.EndProcess(ctx, process) })
	x.reads("deeds", func(ctx context.Context, d *db.DB) error { return drop1(records.AuditEntries(ctx, d, "", 0, 5)) })
	x.steps("hold", func(ctx context.Context, d *db.DB) error {
		release, ok, err := d.TryHold(ctx, "mine")
		if ok {
			x.breaks.left.Store(0) // a release fails only with its connection, which ends the lock too
			release()
		}
		return err
	})
}

// A migration whose statements break one after the other is finished by the next.
func TestBrokenMigrations(t *testing.T) {
	t.Parallel()
	url := dbtest.EmptyURL(t)
	x := newBrittle(t, &testBundle{DB: dbtest.Open(t, url), url: url})
	status := func() pg.MigrationStatus {
		s, err := x.MigrationStatus(t.Context())
		require.NoError(t, err)
		return s
	}
	// The library does not look whether its last statement, which only tidies up, breaks.
	steps := func(what string, migrate func(*db.DB, context.Context) error, done func() bool) {
		x.steps(what, func(ctx context.Context, d *db.DB) error {
			err := migrate(d, ctx)
			if err == nil && x.breaks.fired.Load() {
				require.True(t, done(), what)
				return context.Canceled
			}
			return err
		})
	}
	steps("migrate", (*db.DB).Migrate, func() bool { return status().Current() })
	require.True(t, status().Current())
	x.reads("status", func(ctx context.Context, d *db.DB) error { return drop1(d.MigrationStatus(ctx)) })
	steps("migrate down", (*db.DB).MigrateDown, func() bool { return status().Version == 0 })
	require.Zero(t, status().Version)
}

// The same for schedules and their runs.
func TestBrokenSchedules(t *testing.T) {
	t.Parallel()
	x := newBrittle(t, setup(t))
	due := time.Now().Add(-time.Minute)
	s := x.addSchedule(t, due)
	later := s
	later.Name = "later"
	x.whole("add", func(ctx context.Context, d *db.DB) error { return scheduledb.Add(ctx, d, later) })
	x.whole("edit", func(ctx context.Context, d *db.DB) error { return scheduledb.Edit(ctx, d, s) })
	next := due.Add(time.Hour)
	x.whole("start", func(ctx context.Context, d *db.DB) error {
		return drop1(scheduledb.StartDue(ctx, d, scheduledb.StartDueParams{
			SiteID: x.site.ID, Now: time.Now(), Queue: x.noRuns,
			Judge: func(scheduledb.Schedule, time.Time) (scheduledb.Occurrence, error) {
				return scheduledb.Occurrence{Next: &next, Run: &due, Missed: 2, MissedFrom: due}, nil
			},
		}))
	})
	run, err := scheduledb.LastRun(t.Context(), x.DB, s.ID)
	require.NoError(t, err)
	x.reads("looks", func(ctx context.Context, d *db.DB) error {
		return errors.Join(drop1(scheduledb.List(ctx, d, "")), drop1(scheduledb.ByName(ctx, d, "nightly")), drop1(scheduledb.Runs(ctx, d, s.ID, 5)),
			drop1(scheduledb.LastRun(ctx, d, s.ID)), drop1(scheduledb.RunByID(ctx, d, run.Run)),
			drop1(scheduledb.NextDue(ctx, d, x.site.ID)), drop1(notice.OfSchedule(ctx, d, s.ID, 5)))
	})
	var work scheduledb.RunWork
	x.steps("claim", func(ctx context.Context, d *db.DB) (err error) {
		var ok bool
		work, _, ok, err = scheduledb.ClaimRun(ctx, d, scheduledb.ClaimRunParams{RunID: run.Run, ProcessID: process, Now: time.Now()})
		require.True(t, ok || err != nil)
		return err
	})
	x.whole("pass", func(ctx context.Context, d *db.DB) error { return scheduledb.SavePass(ctx, d, work, []byte(`{}`), 1) })
	plan := x.plan(t, wish{target: "a", name: "a1"})
	x.exec(t, `UPDATE schedule_run SET batch_id = $1 WHERE id = $2`, plan.batch, run.Run)
	x.whole("compared", func(ctx context.Context, d *db.DB) error {
		return scheduledb.RunCompared(ctx, d, work, scheduledb.ComparedParams{Reads: 1, Held: "too many"})
	})
	x.steps("tend", func(ctx context.Context, d *db.DB) error {
		return drop1(scheduledb.TendRuns(ctx, d, db.LostRunsParams{
			SiteID: x.site.ID, Now: time.Now(), ProcessID: process, Kind: "sync", JobQueue: "sync",
		}, x.noRuns))
	})
	x.whole("run now", func(ctx context.Context, d *db.DB) error { return drop1(scheduledb.RunNow(ctx, d, s.ID)) })
	x.whole("pause", func(ctx context.Context, d *db.DB) error { return drop1(scheduledb.Pause(ctx, d, s.ID, "x")) })
	x.whole("resume", func(ctx context.Context, d *db.DB) error { return drop1(scheduledb.Resume(ctx, d, s.ID, next)) })
	x.steps("remove", func(ctx context.Context, d *db.DB) error { return scheduledb.Remove(ctx, d, s.ID) })
	require.Equal(t, db.BatchCancelled, x.status(t, plan.batch).Status, "no plan is left that nobody has sent")
}

func (x *brittle) noRuns(context.Context, pgx.Tx, []db.QueueRun) error { return nil }

// addSchedule makes a schedule of the bundle's site that is due at a moment.
func (b *testBundle) addSchedule(t testing.TB, due time.Time) scheduledb.Schedule {
	t.Helper()
	path := "/names.csv"
	require.NoError(t, scheduledb.Add(t.Context(), b.DB, scheduledb.Schedule{
		Name: "nightly", SiteID: b.site.ID, Cron: "0 2 * * *", TimeZone: "UTC", CSV: &path,
		Mode: "changed", Overlap: "skip", CatchUp: 12 * time.Hour, NextRunAt: &due,
	}))
	s, err := scheduledb.ByName(t.Context(), b.DB, "nightly")
	require.NoError(t, err)
	return s
}
