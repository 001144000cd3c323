package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
)

// acceptAll goes on with what a process has left that died after the commit.
func (b *testBundle) acceptAll(t tb) {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = b.AcceptMore(t.Context(), b.site.ID)
		require.NoError(t, err)
	}
}

// loadFirst loads rows of which only the first chunk is accepted.
func (b *testBundle) loadFirst(t tb, targets ...string) loaded {
	t.Helper()
	id, err := b.LoadFirst(t.Context(), b.params(rowsOf(targets...)))
	require.NoError(t, err)
	return loaded{id, list[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1 ORDER BY id`, id)}
}

// A batch is accepted at once; its rows supersede older ones in chunks. Rows that are not accepted yet are neither fed
// nor sent, and no older rename goes out that one of them will supersede.
func TestAcceptInChunks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.AcceptInChunksOf(2)
	old := b.load(t, "a", "b", "c", "d", "e", "f")
	young := b.loadFirst(t, "a", "b", "c", "d", "e")
	require.Equal(t, "superseded superseded pending pending pending pending", b.statuses(t, old.batch))
	require.Equal(t, db.BatchActive, b.status(t, young.batch).Status)

	require.Equal(t, append(append([]int64{}, old.ids[2:]...), young.ids[:2]...), b.feed(t, 100))
	require.Equal(t, db.Held, b.claim(t, young.ids[2]).Verdict, "it is not accepted yet")
	require.Equal(t, db.Final, b.claim(t, old.ids[2]).Verdict, "a newer one is about to supersede it")
	require.Equal(t, young.ids[2], *b.rename(t, old.ids[2]).SupersededBy)
	b.mustClaim(t, old.ids[5])

	b.acceptAll(t)
	require.Equal(t, "superseded superseded superseded superseded superseded sending", b.statuses(t, old.batch))
	require.Equal(t, young.ids[2:], b.feed(t, 100))
	b.requireCountsAddUp(t)
}

// Several batches that are accepted at the same time all come to their end.
func TestAcceptSeveral(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.AcceptInChunksOf(1)
	b.load(t, "a")
	first, second := b.loadFirst(t, "a", "b", "c"), b.loadFirst(t, "c", "b", "a")
	b.load(t, "x", "y")
	require.Equal(t, "superseded superseded superseded", b.statuses(t, first.batch), "a load goes on with what others have left")
	require.Equal(t, "pending pending pending", b.statuses(t, second.batch))
	b.requireCountsAddUp(t)
}

// A call that went out before its target's newer row was accepted is the last word on the older one, and the newer one
// waits for it.
func TestAcceptWaitsForCallsInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.AcceptInChunksOf(1)
	old := b.load(t, "a", "b")
	c := b.mustClaim(t, old.ids[1])
	young := b.loadFirst(t, "a", "b")
	b.acceptAll(t)
	require.Equal(t, db.Wait, b.claim(t, young.ids[1]).Verdict)
	require.Equal(t, db.RowSuperseded, b.finish(t, answer(c, "pending"))[old.ids[1]])
	b.mustClaim(t, young.ids[1])
	b.requireCountsAddUp(t)
}

// A batch whose rows are all there already is not done before the last of them was looked at.
func TestAcceptUnchangedInChunks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.AcceptInChunksOf(1)
	for _, id := range b.load(t, "a", "b").ids {
		b.settle(t, id, "succeeded")
	}
	again := b.loadFirst(t, "a", "b")
	require.Equal(t, "unchanged pending", b.statuses(t, again.batch))
	require.Equal(t, db.BatchActive, b.status(t, again.batch).Status)
	b.acceptAll(t)
	require.Equal(t, "unchanged unchanged", b.statuses(t, again.batch))
	b.requireCountsAddUp(t)
}

// A plan's row that was unchanged is sent after all if relabel has sent something since the site was read, but never
// over a newer batch, which was accepted before that row's own chunk and did not see it.
func TestAcceptReopensNothingOverNewer(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, b *testBundle, id int64){
		"still pending": func(*testing.T, *testBundle, int64) {},
		"sent":          func(t *testing.T, b *testBundle, id int64) { b.settle(t, id, "succeeded") },
		"sent, failed":  func(t *testing.T, b *testBundle, id int64) { b.settle(t, id, "failed") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.AcceptInChunksOf(1)
			plan := b.plan(t, wish{target: "x", name: "N"}, wish{target: "a", name: "N"})
			require.Equal(t, "pending unchanged", b.compare(t, plan.batch, map[string][2]string{"x": {"O", ""}, "a": {"N", ""}}))
			b.run(t, asIs, wish{target: "a", name: "A"})
			require.NoError(t, b.ApplyFirst(t.Context(), db.ApplyParams{BatchID: plan.batch, Queue: noQueue}))
			young := b.loadFirst(t, "a")
			end(t, b, young.ids[0])
			b.acceptAll(t)
			require.Equal(t, "pending pending", b.statuses(t, plan.batch))
			require.Equal(t, db.Final, b.claim(t, plan.ids[1]).Verdict)
			require.Equal(t, "pending superseded", b.statuses(t, plan.batch))
			require.Equal(t, young.ids[0], *b.rename(t, plan.ids[1]).SupersededBy)
			b.requireCountsAddUp(t)
		})
	}
}

// A row is judged by the older one as it is once it is locked: it may have been sent for the first time meanwhile.
func TestAcceptSeesWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.load(t, "a")
	tx := begin(t, b.Pool())
	_, err := tx.Exec(t.Context(), `UPDATE rename SET status = 'succeeded', fence = 1, finished_at = now() WHERE id = $1`, old.ids[0])
	require.NoError(t, err)
	var again loaded
	done := make(chan struct{})
	go func() {
		defer close(done)
		again = b.load(t, "a")
	}()
	b.requireBlocked(t, 1)
	require.NoError(t, tx.Commit(t.Context()))
	<-done
	require.Equal(t, "unchanged", b.statuses(t, again.batch))
}

// A row that changes only once it is read again was locked with the others, by id: whoever has it can lock a later one.
func TestAcceptLocksInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.AcceptInChunksOf(1)
	old := b.load(t, "o", "a", "z")
	b.settle(t, old.ids[2], "succeeded")
	young := b.loadFirst(t, "x", "a", "z") // the names go by the line
	b.AcceptInChunksOf(10)
	ending := begin(t, b.Pool())
	_, err := ending.Exec(t.Context(), `UPDATE rename SET status = 'succeeded', fence = 1, finished_at = now() WHERE id = $1`, old.ids[1])
	require.NoError(t, err)
	turn := begin(t, b.Pool())
	_, err = turn.Exec(t.Context(), `SELECT FROM rename WHERE id = $1 FOR UPDATE`, young.ids[1])
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.acceptAll(t)
	}()
	b.requireBlocked(t, 1) // behind the one that is ending
	require.NoError(t, ending.Commit(t.Context()))
	require.Eventually(t, func() bool {
		return value[bool](t, b, `
			SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND $1::int = ANY (pg_blocking_pids(a.pid)))`,
			turn.Conn().PgConn().PID())
	}, patience, 10*time.Millisecond, "accepting waits for the row of the turn")
	_, err = turn.Exec(t.Context(), `SELECT FROM rename WHERE id = $1 FOR UPDATE NOWAIT`, young.ids[2])
	require.NoError(t, err)
	require.NoError(t, turn.Commit(t.Context()))
	<-done
	require.Equal(t, "pending unchanged unchanged", b.statuses(t, young.batch))
}

// What a cancelled batch had not accepted yet supersedes nothing any more.
func TestCancelWhileAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.AcceptInChunksOf(1)
	old := b.load(t, "a", "b")
	young := b.loadFirst(t, "a", "b")
	b.cancel(t, young.batch)
	b.acceptAll(t)
	require.Equal(t, "superseded pending", b.statuses(t, old.batch))
	require.Equal(t, "cancelled cancelled", b.statuses(t, young.batch))
	b.mustClaim(t, old.ids[1])
	b.requireCountsAddUp(t)
}

// While a load is accepted, and waits with its locks for whatever, the site can be paused and parked, rows of older
// batches that it has nothing to do with are claimed and finished, and a retry of another site goes on.
func TestNothingWaitsForALoad(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere(t)
	failed := other.load(t, "a")
	other.settle(t, failed.ids[0], "failed")
	b.AcceptInChunksOf(1)
	old := b.load(t, "b")
	b.load(t, "a")
	accepted, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	p := b.params(rowsOf("a", "b"))
	p.Queue = func(context.Context, pgx.Tx) error {
		close(accepted)
		<-goOn
		return nil
	}
	go func() {
		defer close(done)
		b.loadWith(t, p)
	}()
	<-accepted
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b.settle(t, old.ids[0], "succeeded")
	_, err := b.PauseSite(ctx, b.site.ID, true)
	require.NoError(t, err)
	b.park(t)
	got, err := records.RetryRows(ctx, other.DB, records.RowFilter{Batch: failed.batch, Statuses: []db.RowStatus{"failed"}}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Pending)
	close(goOn)
	<-done
	b.requireCountsAddUp(t)
}

// A retry takes the lock of its site's order for a moment. A load that is still reading its source has it not, whatever
// keys it refers to.
func TestRetryDoesNotWaitForAnOpenLoad(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.load(t, "a")
	b.settle(t, old.ids[0], "failed")
	copied, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		b.loadWith(t, b.params(then(rowsOf("b"), func() error {
			close(copied)
			<-goOn
			return nil
		})))
	}()
	<-copied
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := records.RetryRows(ctx, b.DB, records.RowFilter{Batch: old.batch, Statuses: []db.RowStatus{"failed"}}, nil)
	close(goOn)
	<-done
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Pending)
}

// A retry that is under way leaves a batch alone from the moment on that somebody cancels it, between two of its chunks
// and within one.
func TestRetryOfABatchThatIsCancelled(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]func(t *testing.T, b *testBundle, l loaded, retry func() (db.Retried, error)) (db.Retried, error){
		"between two chunks": func(t *testing.T, b *testBundle, l loaded, retry func() (db.Retried, error)) (db.Retried, error) {
			b.exec(t, `UPDATE batch SET cancelled_at = clock_timestamp() + interval '1 h' WHERE id = $1`, l.batch)
			return retry()
		},
		"within one": func(t *testing.T, b *testBundle, l loaded, retry func() (db.Retried, error)) (db.Retried, error) {
			// The retry has chosen its rows and waits for them; then the batch is cancelled.
			tx := begin(t, b.Pool())
			_, err := tx.Exec(t.Context(), `SELECT FROM rename WHERE id = $1 FOR UPDATE`, l.ids[0])
			require.NoError(t, err)
			type outcome struct {
				db.Retried
				error
			}
			done := make(chan outcome, 1)
			go func() {
				got, err := retry()
				done <- outcome{got, err}
			}()
			b.requireBlocked(t, 1)
			changed, err := b.CancelBatch(t.Context(), l.batch, nil)
			require.NoError(t, err)
			require.True(t, changed)
			require.NoError(t, tx.Rollback(t.Context()))
			o := <-done
			return o.Retried, o.error
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a", "b")
			b.settle(t, l.ids[0], "failed")
			got, err := run(t, b, l, func() (db.Retried, error) {
				return records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: l.batch, Statuses: []db.RowStatus{"failed", "cancelled"}}, nil)
			})
			require.NoError(t, err)
			require.Equal(t, db.Retried{LeftOut: 1}, got)
			require.Equal(t, "failed", b.rename(t, l.ids[0]).Status)
		})
	}
}

// Rows that a batch had superseded, and that it never sent anything for, can be sent after it was cancelled: the cancel
// says of which batches and how many there are, and a retry that asks for them sends them, in their own place.
func TestStrandedRowsCanBeRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.load(t, "a", "a", "b", "c")
	young := b.load(t, "a", "b", "c")
	b.settle(t, young.ids[1], "succeeded")
	b.cancel(t, young.batch)
	require.Equal(t, "superseded superseded superseded superseded", b.statuses(t, old.batch))
	stranded, err := records.StrandedBy(t.Context(), b.DB, young.batch)
	require.NoError(t, err)
	require.Equal(t, []records.Stranded{{Batch: old.batch, Rows: 2}}, stranded)

	got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: old.batch, Statuses: db.Retryable()}, nil)
	require.NoError(t, err)
	require.Equal(t, db.Retried{}, got, "unless they are asked for")
	got, err = records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: old.batch, Statuses: []db.RowStatus{"superseded"}}, nil)
	require.NoError(t, err)
	require.Equal(t, db.Retried{Pending: 2, Superseded: 2}, got)
	require.Equal(t, "superseded pending superseded pending", b.statuses(t, old.batch),
		"the first a has a later row in its own batch, b was sent by the newer one")
	b.settle(t, old.ids[1], "succeeded")
	stranded, err = records.StrandedBy(t.Context(), b.DB, young.batch)
	require.NoError(t, err)
	require.Empty(t, stranded)
	b.requireCountsAddUp(t)
}

// Nobody sees a small batch cancelled while its rows are still pending.
func TestCancelIsOneStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b")
	sees := make(chan string)
	stop := make(chan struct{})
	go func() {
		defer close(sees)
		for {
			select {
			case <-stop:
				return
			default:
			}
			s := b.status(t, l.batch)
			if s.Status == "cancelled" && s.Pending > 0 {
				sees <- "cancelled, with rows pending"
				return
			}
		}
	}()
	b.exec(t, `
		CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN new; END $$;
		CREATE TRIGGER slowly BEFORE UPDATE ON rename FOR EACH ROW EXECUTE FUNCTION slowly()`)
	changed, err := b.CancelBatch(t.Context(), l.batch, nil)
	require.NoError(t, err)
	require.True(t, changed)
	close(stop)
	require.Empty(t, <-sees)
	require.Equal(t, "cancelled cancelled", b.statuses(t, l.batch))
}

// Waiting jobs whose rename is not due make room at the next feed: those of a batch that was superseded, cancelled or
// paused, and of rows that wait for their next try. What is due and beyond the window keeps its job.
func TestFeedDropsDeadHints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := func() []int64 {
		return list[int64](t, b, `SELECT (args->>'rename_id')::bigint FROM river_job WHERE state = 'available' ORDER BY 1`)
	}
	gone, paused := b.load(t, "a", "b"), b.load(t, "c")
	later, running := b.load(t, "d", "e"), b.load(t, "f")
	b.feed(t, 100)
	b.setJobs(t, "running", running.ids[0])
	b.load(t, "a", "b", "f")
	b.setBatch(t, paused.batch, "paused")
	b.delay(t, later.ids[0])
	p := b.params(rowsOf("x", "y", "z"))
	p.Priority = 1
	urgent := b.loadWith(t, p)
	b.feed(t, 3)
	require.Equal(t, append([]int64{later.ids[1]}, urgent.ids...), jobs())
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM river_job WHERE state = 'running'`), "it is at work")
	require.Equal(t, "superseded superseded", b.statuses(t, gone.batch))
}
