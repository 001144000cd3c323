package report

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/text"
)

// Batch is a batch as every command and page shows it: its status, the lane it
// goes through, and when it ends.
type Batch struct {
	db.BatchStatus
	Lane db.LaneState `json:"-"`
}

// ReadBatch reads one batch; the error is db.ErrNoBatch when there is none.
func ReadBatch(ctx context.Context, d *db.DB, id int64) (Batch, error) {
	st, err := d.BatchStatus(ctx, id)
	if err != nil {
		return Batch{}, err
	}
	lane, _, err := d.Lane(ctx, st.Site)
	if err != nil {
		return Batch{}, err
	}
	return NewBatch(st, lane), nil
}

// Batches lists the newest batches first, of one site or with an empty name of
// all.
func Batches(ctx context.Context, d *db.DB, site string, limit int) ([]Batch, error) {
	list, err := d.Batches(ctx, site, limit)
	if err != nil {
		return nil, err
	}
	return withLanes(ctx, d, list)
}

// OpenBatches lists the batches that are active or paused, of some sites or when
// none is named of all, in the order in which their rows are sent.
func OpenBatches(ctx context.Context, d *db.DB, limit int, sites ...string) ([]Batch, error) {
	list, err := d.OpenBatches(ctx, limit, sites...)
	if err != nil {
		return nil, err
	}
	return withLanes(ctx, d, list)
}

func withLanes(ctx context.Context, d *db.DB, list []db.BatchStatus) ([]Batch, error) {
	batches := make([]Batch, len(list))
	lanes := map[string]db.LaneState{}
	for i, st := range list {
		lane, ok := lanes[st.Site]
		if !ok {
			var err error
			if lane, _, err = d.Lane(ctx, st.Site); err != nil {
				return nil, err
			}
			lanes[st.Site] = lane
		}
		batches[i] = NewBatch(st, lane)
	}
	return batches, nil
}

// NewBatch puts together what was read.
func NewBatch(st db.BatchStatus, lane db.LaneState) Batch {
	return Batch{BatchStatus: st, Lane: lane}
}

// Done counts the rows at their end.
func (b Batch) Done() int64 { return b.Total - b.Left() }

// Bad counts the rows that did not succeed and want a look.
func (b Batch) Bad() int64 { return b.Failed + b.Conflict + b.Invalid }

// Held tells that relabel itself has paused the batch: somebody must look at it.
func (b Batch) Held() bool { return b.Status == "paused" && b.StatusReason != nil }

// Elapsed is how long the batch has run, to its end or until now; 0 before its
// start.
func (b Batch) Elapsed() time.Duration {
	switch {
	case b.StartedAt == nil:
		return 0
	case b.FinishedAt != nil:
		return b.FinishedAt.Sub(*b.StartedAt)
	}
	return b.Now.Sub(*b.StartedAt)
}

// Counts lists the statuses that have rows: "1,990 succeeded, 10 failed".
func (b Batch) Counts() string {
	var parts []string
	for _, c := range []struct {
		n    int64
		name string
	}{
		{b.Succeeded, "succeeded"},
		{b.Unchanged, "unchanged"},
		{b.Failed, "failed"},
		{b.Conflict, "conflict"},
		{b.Superseded, "superseded"},
		{b.Cancelled, "cancelled"},
		{b.Invalid, "invalid"},
		{b.Sending, "sending"},
		{b.Pending, "pending"},
	} {
		if c.n > 0 {
			parts = append(parts, text.Number(c.n)+" "+c.name)
		}
	}
	return strings.Join(parts, ", ")
}

// Waiting says why nothing is sent now, or nothing when all is well.
func (b Batch) Waiting() string {
	site := b.site()
	switch {
	case b.Status == "paused" && !site.closed():
		return "paused" + reason(b.StatusReason) + "; `relabel batch resume " + fmt.Sprint(b.Batch) + "` goes on"
	case b.Status != "active" && !site.closed():
		return ""
	case site.Waiting() != "":
		return site.Waiting()
	}
	return b.OwnWaiting()
}

// SiteWaiting is what keeps its whole site from being sent.
func (b Batch) SiteWaiting() string { return b.site().Waiting() }

// OwnWaiting is what keeps this batch and not its whole site from being sent.
func (b Batch) OwnWaiting() string {
	switch {
	case b.Status == "paused":
		return "paused" + reason(b.StatusReason) + "; `relabel batch resume " + fmt.Sprint(b.Batch) + "` goes on"
	case b.RetryAt != nil:
		return text.Plural(b.Left(), "row waits", "rows wait") + " to be tried again, in " + text.Span(b.RetryAt.Sub(b.Now)+time.Second/2)
	case b.before() > 0:
		return text.Plural(b.before(), "row of other batches comes", "rows of other batches come") + " first"
	}
	return ""
}

// before counts the rows of other batches that come before this one's.
func (b Batch) before() int64 {
	if b.Status != "active" {
		return 0
	}
	return max(b.Ahead-b.Left(), 0)
}

func (b Batch) site() Site {
	return Site{
		Name: b.Site, Parked: b.ParkedReason, Paused: b.SitePaused, Broken: b.BreakerError, Worked: b.Worked, Lane: b.Lane, RefusedIn: b.RefusedIn,
	}
}

func reason(r *string) string {
	if r == nil {
		return ""
	}
	return ": " + *r
}

// StatusWord is the status for a list.
func (b Batch) StatusWord() string {
	if b.ParkedReason != nil && b.Left() > 0 {
		return b.Status + " (parked)"
	}
	return b.Status
}

// Ends is "ends 14:02:10 (in 3 h 12 min)", or nothing when that is not known.
func (b Batch) Ends() string {
	if b.ETA == nil {
		return ""
	}
	return fmt.Sprintf("ends %s (in %s)", text.Clock(*b.ETA, b.Now), text.Span(max(b.ETA.Sub(b.Now), 0)))
}

// EndsWord is when a batch ends or has ended, for a list.
func (b Batch) EndsWord() string {
	switch {
	case b.FinishedAt != nil:
		return "ended " + text.Clock(*b.FinishedAt, b.Now)
	case b.ETA != nil:
		return text.Clock(*b.ETA, b.Now)
	}
	return "-"
}

// Stranded says what became of rows that a cancelled batch had superseded.
func Stranded(s db.Stranded) string {
	return fmt.Sprintf("%s of batch %d had a newer name in the cancelled one, and nothing is sent for them; `relabel batch retry %d --status superseded` sends them",
		text.Plural(s.Rows, "row", "rows"), s.Batch, s.Batch)
}
