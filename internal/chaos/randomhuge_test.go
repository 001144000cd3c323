//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
)

// A huge batch has more rows than can be sent here. It supersedes open rows, is accepted
// in many chunks, and is cancelled.
const (
	hugeRows  = 50_000 // at most
	smallRows = 1000   // batches with fewer rows are not huge
)

// loadHugeUntil loads huge batches and cancels them again.
func (r *randomRun) loadHugeUntil(over <-chan struct{}) {
	rnd := rand.New(rand.NewPCG(r.seed, 3))
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		default:
		}
		r.idle(rnd, 10*time.Second)
		rows := hugeBatchOf(rnd, n)
		env := slices.Clone(r.env)
		if rnd.IntN(2) == 0 {
			env = append(env, failpoint(fmt.Sprintf("accepting:%d:%s", 1+rnd.IntN(10), []string{"kill", "stop"}[rnd.IntN(2)])))
		}
		r.waitOrKill(r.spawn("huge load", env, "enqueue", r.csv(rows), "--priority", strconv.Itoa(1+rnd.IntN(4))))
		r.idle(rnd, 5*time.Second)
		if id := r.hugeBatch(); id != 0 && rnd.IntN(2) == 0 {
			r.waitOrKill(r.spawn("huge cancel", append(slices.Clone(r.direct), failpoint("cancelling:"+strconv.Itoa(1+rnd.IntN(3)))),
				"batch", "cancel", strconv.FormatInt(id, 10)))
			r.noteCancelled(id)
			continue
		}
		r.cancelHuge()
	}
}

// hugeBatchOf returns rows that have the small batches' targets too, or only others.
func hugeBatchOf(rnd *rand.Rand, n int) []rename {
	rows := make([]rename, 5000+rnd.IntN(hugeRows-5000))
	from := rnd.IntN(2) * randomTargets
	for i := range rows {
		rows[i] = rename{standin.AssetID(from + i), fmt.Sprintf("huge %d row %d", n, i)}
	}
	return rows
}

// cancelHuge cancels all open huge batches, as a person would.
func (r *randomRun) cancelHuge() {
	for id := r.hugeBatch(); id != 0; id = r.hugeBatch() {
		_, err := r.db.CancelBatch(r.Context(), id, nil)
		if _, ended := errors.AsType[*db.BatchStateError](err); !ended {
			require.NoError(r, err)
		}
		r.noteCancelled(id)
	}
}

// noteCancelled records the time if a batch is cancelled.
func (r *randomRun) noteCancelled(id int64) {
	if ask[string](r.stage, `SELECT status FROM batch WHERE id = $1`, id) != "cancelled" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancelled[id] = time.Now()
}

func (r *randomRun) hugeBatch() int64 {
	return ask[int64](r.stage, `SELECT coalesce(min(id), 0) FROM batch WHERE total >= $1 AND status IN ('active', 'paused')`, smallRows)
}
