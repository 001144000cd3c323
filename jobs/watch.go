package jobs

import (
	"fmt"
	"strings"
	"sync"

	"relabel/db"
)

const (
	// watchedRows is how many of a batch's last rows are watched.
	watchedRows = 200

	// watchedBatches bounds the batches that are watched: those in which a row ended
	// last. Rows are sent batch by batch, so few are active at a time. Each takes 6 KB,
	// and a process may run for months.
	watchedBatches = 64

	// sampleRows is how many examples a reason names.
	sampleRows = 3
)

// failureWatch watches the last rows that ended in this process, batch by batch. It
// reports a batch when too many rows failed for the same cause: usually the ids of
// another site or a wrong column, and a person should look before 50,000 calls fail in
// the same way. It starts empty with each process.
type failureWatch struct {
	share float64 // 0: off

	mu      sync.Mutex
	batches map[int64]*recentRows
	rows    int64 // seen so far
}

// recentRows is a ring of the last rows' causes; the cause of a success is empty.
type recentRows struct {
	causes [watchedRows]string
	assets [watchedRows]string
	next   int
	full   bool
	counts map[string]int
	last   int64 // the number of its last row, of all that were seen
}

func newFailureWatch(share float64) *failureWatch {
	return &failureWatch{share: share, batches: map[int64]*recentRows{}}
}

// ended adds a row, and returns why its batch should be paused, or "". Then it forgets
// the batch, so that a resumed batch starts afresh.
func (w *failureWatch) ended(batch int64, assetID string, f db.Finish) string {
	if w.share <= 0 || f.Status == db.RowPending || f.Status == "" {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.of(batch)
	cause := r.add(assetID, f)
	if cause == "" || !r.full || float64(r.counts[cause]) <= w.share*watchedRows {
		return ""
	}
	delete(w.batches, batch)
	return fmt.Sprintf("%d of the last %d rows failed for the same cause: %s (such as assets %s)",
		r.counts[cause], watchedRows, cause, strings.Join(r.samples(cause), ", "))
}

// of returns a batch's rows. A new batch replaces the one that had no row end for the
// longest time, which has most likely ended.
func (w *failureWatch) of(batch int64) *recentRows {
	r := w.batches[batch]
	if r == nil {
		if len(w.batches) >= watchedBatches {
			w.forget()
		}
		r = &recentRows{counts: map[string]int{}}
		w.batches[batch] = r
	}
	w.rows++
	r.last = w.rows
	return r
}

func (w *failureWatch) forget() {
	var oldest int64
	last := w.rows + 1
	for id, r := range w.batches {
		if r.last < last {
			oldest, last = id, r.last
		}
	}
	delete(w.batches, oldest)
}

func (r *recentRows) add(assetID string, f db.Finish) (cause string) {
	if f.Status == db.RowFailed {
		cause = strings.TrimPrefix(f.Code+": "+f.Message, ": ")
	}
	if old := r.causes[r.next]; old != "" {
		if r.counts[old]--; r.counts[old] == 0 {
			delete(r.counts, old)
		}
	}
	r.causes[r.next], r.assets[r.next] = cause, assetID
	if cause != "" {
		r.counts[cause]++
	}
	r.next = (r.next + 1) % watchedRows
	r.full = r.full || r.next == 0
	return cause
}

func (r *recentRows) samples(cause string) []string {
	var out []string
	for i, c := range r.causes {
		if c == cause && len(out) < sampleRows {
			out = append(out, r.assets[i])
		}
	}
	return out
}
