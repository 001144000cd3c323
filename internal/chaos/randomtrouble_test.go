//go:build unix

package chaos

import (
	"errors"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
)

type trouble struct {
	name string
	make func()
}

func (r *randomRun) troubles() []trouble {
	return []trouble{
		{"kill", func() { r.replace(syscall.SIGKILL) }},
		{"end", func() { r.replace(syscall.SIGTERM) }},
		{"stop", func() { r.randomWorker().signal(syscall.SIGSTOP) }},
		{"continue", r.wakeAll},
		{"API faults", r.apiFaults},
		{"API well", func() { r.api.SetChances() }},
		{"API network", func() { r.network.disturb(r.randomFault()) }},
		{"API connections cut", r.network.cut},
		{"database network", func() { r.database.disturb(r.randomFault()) }},
		{"database connections cut", r.database.cut},
		{"networks well", func() { r.network.heal(); r.database.heal() }},
		{"packets to the database lost", func() { r.swallow(r.database) }},
		{"packets to the API lost", func() { r.swallow(r.network) }},
		{"another limit", r.setRate},
		{"jobs", r.tamperJobs},
		{"pause", func() { r.setBatch("paused", "active") }},
		{"resume", func() { r.setBatch("active", "paused") }},
		{"cancel", func() { r.setBatch("cancelled", "active") }},
		{"retry", r.retryBatch},
		{"retry superseded", r.retrySuperseded},
		{"retry stopped", func() { r.brokenRetry("stop") }},
		{"retry killed", func() { r.brokenRetry("kill") }},
		{"cancel rows", r.cancelRows},
		{"retry rows", r.retryRows},
		{"pause site", func() { r.pauseSite(true) }},
		{"resume site", func() { r.pauseSite(false) }},
	}
}

func (r *randomRun) randomWorker() *process { return r.workers[r.rnd.IntN(len(r.workers))] }

// replace ends a worker and starts another one. SIGCONT is needed because a stopped
// process does not handle SIGTERM.
func (r *randomRun) replace(sig syscall.Signal) {
	i := r.rnd.IntN(len(r.workers))
	r.workers[i].signal(sig)
	if sig == syscall.SIGTERM {
		r.workers[i].signal(syscall.SIGCONT)
	}
	r.workers[i] = r.startWorker("worker " + strconv.Itoa(i) + " again")
}

func (r *randomRun) wakeAll() {
	for _, p := range append(slices.Clone(r.workers), r.others...) {
		p.signal(syscall.SIGCONT)
	}
}

// apiFaults sets random faults of the API. None of them hangs for ever, because a stopped
// caller would keep such a call open beyond its lease.
func (r *randomRun) apiFaults() {
	list := []standin.Fault{
		standin.Status(500), standin.Status(409), standin.Gateway(502, ""), standin.Gateway(503, "1"),
		standin.Gateway(504, "").AfterApply(), standin.RateLimited("1"), standin.CutJSON(),
		standin.ResetBeforeHeaders(), standin.ResetInBody(), standin.CloseBeforeHeaders(),
		standin.CloseInBody(), standin.Delay(300 * time.Millisecond), standin.Delay(callTimeout + time.Second),
	}
	chances := make([]standin.Chance, 3)
	for i := range chances {
		chances[i] = standin.Chance{P: 0.1 * r.rnd.Float64(), Fault: list[r.rnd.IntN(len(list))]}
	}
	r.api.SetChances(chances...)
}

// randomFault disturbs some of the connections.
func (r *randomRun) randomFault() fault {
	list := []fault{
		{delay: 100 * time.Millisecond},
		{delay: 600 * time.Millisecond, reset: true},
		{limit: 2000},
		{delay: 200 * time.Microsecond, piece: 30},
		{slowClose: 300 * time.Millisecond},
		{delay: 100 * time.Millisecond, piece: 1000}, // 20 KB/s
	}
	f := list[r.rnd.IntN(len(list))]
	f.upstream = r.rnd.IntN(2) == 0
	f.share = 0.3
	return f
}

func (r *randomRun) tamperJobs() {
	list := []string{
		`DELETE FROM river_job WHERE random() < 0.5`,
		`UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE finalized_at IS NULL AND random() < 0.5`,
		`UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE finalized_at IS NULL AND random() < 0.5`,
		`UPDATE river_job SET state = 'available', finalized_at = NULL WHERE random() < 0.3`,
		`UPDATE river_job SET state = 'retryable', scheduled_at = now() + interval '1 day' WHERE finalized_at IS NULL AND random() < 0.5`,
	}
	r.exec(list[r.rnd.IntN(len(list))])
}

// setBatch moves a random batch from one status to another.
func (r *randomRun) setBatch(to, from string) {
	id := r.anyBatch(`status = '` + from + `'`)
	var moved bool
	var err error
	switch {
	case to == "paused":
		moved, err = r.db.PauseBatch(r.Context(), id, nil)
	case to == "active":
		moved, err = r.db.ResumeBatch(r.Context(), id)
	case r.rnd.IntN(2) == 0: // this ends the rows itself and does not leave that to the workers
		moved, err = r.db.CancelBatch(r.Context(), id, nil)
	default:
		moved = r.markCancelled(id)
	}
	_, ended := errors.AsType[*db.BatchStateError](err)
	if _, none := errors.AsType[db.NoBatchError](err); !ended && !none {
		require.NoError(r, err)
	}
	if moved {
		r.noteCancelled(id)
	}
}

// markCancelled cancels a batch as a command that is killed before it ends the rows.
func (r *randomRun) markCancelled(id int64) bool {
	tag, err := r.db.Pool().Exec(r.Context(), `
		UPDATE batch SET status = 'cancelled', cancelled_at = clock_timestamp(), accepted_to = NULL,
			finished_at = CASE WHEN ended = total THEN clock_timestamp() END
		WHERE id = $1 AND status IN ('active', 'paused')`, id)
	require.NoError(r, err)
	return tag.RowsAffected() > 0
}

// retryBatch retries the failed, conflicting and cancelled rows of a batch.
func (r *randomRun) retryBatch() {
	id := r.anyBatch(`finished_at IS NOT NULL AND failed + cancelled + conflict > 0`)
	if id == 0 {
		return
	}
	r.retried[id] = true
	_, err := records.RetryRows(r.Context(), r.db, records.RowFilter{Batch: id, Statuses: []db.RowStatus{"failed", "conflict", "cancelled"}}, nil)
	require.NoError(r, err)
}

// retrySuperseded retries superseded rows whose newer row was cancelled.
func (r *randomRun) retrySuperseded() {
	id := r.anyBatch(`acceptance IS NOT NULL AND superseded > 0 AND total < 1000`)
	if id == 0 {
		return
	}
	r.retried[id] = true
	_, err := records.RetryRows(r.Context(), r.db, records.RowFilter{Batch: id, Statuses: []db.RowStatus{"superseded"}}, nil)
	require.NoError(r, err)
}

// brokenRetry blocks the site's loads and retries until its transaction ends.
func (r *randomRun) brokenRetry(action string) {
	id := r.anyBatch(`acceptance IS NOT NULL AND finished_at IS NOT NULL AND failed + cancelled + conflict > 0 AND total < 1000`)
	if id == 0 {
		return
	}
	r.retried[id] = true
	p := r.spawn("retry", append(slices.Clone(r.direct), failpoint("retrying:1:"+action)), "batch", "retry", strconv.FormatInt(id, 10))
	if action == "kill" {
		_ = p.wait()
		return
	}
	r.others = append(r.others, p)
}

// swallow makes all connections silent for a while.
func (r *randomRun) swallow(p *proxy) {
	p.silence(true)
	r.idle(r.rnd, 3*time.Second)
	p.silence(false)
}

// someRows selects about a tenth of the rows of an open batch, or of all batches.
func (r *randomRun) someRows() records.RowFilter {
	return records.RowFilter{Batch: r.anyBatch(`status IN ('active', 'paused')`), Name: strconv.Itoa(r.rnd.IntN(100))}
}

// cancelRows cancels single rows, some of them while they are sent.
func (r *randomRun) cancelRows() {
	_, err := records.CancelRows(r.Context(), r.db, r.someRows(), nil)
	require.NoError(r, err)
}

// retryRows retries rows of a batch that may still be active.
func (r *randomRun) retryRows() {
	f := r.someRows()
	if f.Batch = r.anyBatch(`failed + cancelled + conflict > 0`); f.Batch == 0 {
		return
	}
	r.retried[f.Batch] = true
	_, err := records.RetryRows(r.Context(), r.db, f, nil)
	require.NoError(r, err)
}

// anyBatch returns a random batch, or 0 if there is none.
func (r *randomRun) anyBatch(where string) int64 {
	ids := ask[[]int64](r.stage, `SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM batch WHERE `+where)
	if len(ids) == 0 {
		return 0
	}
	return ids[r.rnd.IntN(len(ids))]
}

func (r *randomRun) pauseSite(pause bool) {
	ids := ask[[]int](r.stage, `SELECT array_agg(id ORDER BY id) FROM site`)
	_, err := r.db.PauseSite(r.Context(), ids[r.rnd.IntN(len(ids))], pause)
	require.NoError(r, err)
}
