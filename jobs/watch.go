package jobs

import (
	"fmt"
	"strings"
	"sync"

	"relabel/db"
)

const (
	// watchedRows is how many of a batch's last rows are looked at.
	watchedRows = 200

	// sampleRows is how many examples a reason names.
	sampleRows = 3
)

// failureWatch looks at the last rows that ended in this process, batch by
// batch, and tells when too many failed for the same cause: most often the
// wrong site's ids, or a column mixed up, and a person should look before
// 50,000 calls have said the same. It begins anew with the process.
type failureWatch struct {
	share float64 // 0: off

	mu      sync.Mutex
	batches map[int64]*recentRows
}

// recentRows is a ring of the last rows' causes; empty for one that did well.
type recentRows struct {
	causes [watchedRows]string
	assets [watchedRows]string
	next   int
	full   bool
	counts map[string]int
}

func newFailureWatch(share float64) *failureWatch {
	return &failureWatch{share: share, batches: map[int64]*recentRows{}}
}

// ended takes in a row, and returns why its batch should be paused, or nothing.
// After it has said so it forgets the batch: a resumed one gets a new chance.
func (w *failureWatch) ended(batch int64, assetID string, f db.Finish) string {
	if w.share <= 0 || f.Status == statusPending || f.Status == "" {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.batches[batch]
	if r == nil {
		r = &recentRows{counts: map[string]int{}}
		w.batches[batch] = r
	}
	cause := r.add(assetID, f)
	if cause == "" || !r.full || float64(r.counts[cause]) <= w.share*watchedRows {
		return ""
	}
	delete(w.batches, batch)
	return fmt.Sprintf("%d of the last %d rows failed for the same cause: %s (such as assets %s)",
		r.counts[cause], watchedRows, cause, strings.Join(r.samples(cause), ", "))
}

func (r *recentRows) add(assetID string, f db.Finish) (cause string) {
	if f.Status == statusFailed {
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
