package report

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

// Batch is a batch as every command and page shows it: its status and counts,
// and the lane that its calls go through.
type Batch struct {
	records.BatchProgress
	Rows   int64             `json:"rows"`    // total is its older name
	EndsAt *time.Time        `json:"ends_at"` // eta is its older name
	Lane   records.LaneState `json:"-"`
}

func newBatch(st records.BatchProgress, lane records.LaneState) Batch {
	return Batch{BatchProgress: st, Rows: st.Total, EndsAt: st.ETA, Lane: lane}
}

// ReadBatch reads one batch; the error is a db.NoBatchError if there is none.
func ReadBatch(ctx context.Context, d *db.DB, id int64) (Batch, error) {
	st, err := records.Batch(ctx, d, id)
	if err != nil {
		return Batch{}, err
	}
	lane, _, err := records.Lane(ctx, d, st.Site)
	if err != nil {
		return Batch{}, err
	}
	return newBatch(st, lane), nil
}

// Batches lists the newest batches first, of one site, or of all if site is empty.
func Batches(ctx context.Context, d *db.DB, site string, limit int) ([]Batch, error) {
	list, err := records.Batches(ctx, d, site, limit)
	if err != nil {
		return nil, err
	}
	return withLanes(ctx, d, list)
}

// FindBatches lists a page of the batches that a filter chooses, the newest first.
func FindBatches(ctx context.Context, d *db.DB, f records.BatchFilter) ([]Batch, error) {
	list, err := records.FindBatches(ctx, d, f)
	if err != nil {
		return nil, err
	}
	return withLanes(ctx, d, list)
}

// OpenBatches lists the active and paused batches in the order in which their
// rows are sent, of the named sites, or of all if none is named.
func OpenBatches(ctx context.Context, d *db.DB, limit int, sites ...string) ([]Batch, error) {
	list, err := records.OpenBatches(ctx, d, limit, sites...)
	if err != nil {
		return nil, err
	}
	return withLanes(ctx, d, list)
}

func withLanes(ctx context.Context, d *db.DB, list []records.BatchProgress) ([]Batch, error) {
	batches := make([]Batch, len(list))
	lanes := map[string]records.LaneState{}
	for i, st := range list {
		lane, ok := lanes[st.Site]
		if !ok {
			var err error
			if lane, _, err = records.Lane(ctx, d, st.Site); err != nil {
				return nil, err
			}
			lanes[st.Site] = lane
		}
		batches[i] = newBatch(st, lane)
	}
	return batches, nil
}

// Done counts the rows in a final status.
func (b Batch) Done() int64 { return b.Total - b.Left() }

// Held reports whether relabel itself paused the batch, so a person must look at it.
func (b Batch) Held() bool { return b.Status == db.BatchPaused && b.StatusReason != nil }

// Elapsed is the time from the batch's start to its end, or until now; 0 before
// its start.
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

// Waiting says why nothing is sent now; empty if rows are being sent.
func (b Batch) Waiting() string {
	site := b.site()
	switch {
	case b.Status == db.BatchPaused && !site.closed():
		return b.paused()
	case b.Status != db.BatchActive && !site.closed():
		return ""
	case site.Waiting() != "":
		return site.Waiting()
	}
	return b.OwnWaiting()
}

// SiteWaiting says why the whole site sends nothing now.
func (b Batch) SiteWaiting() string { return b.site().Waiting() }

// OwnWaiting says why this batch sends nothing now, though its site could.
func (b Batch) OwnWaiting() string {
	switch {
	case b.Status == db.BatchPaused:
		return b.paused()
	case b.RetryAt != nil:
		return text.Plural(b.Left(), "row waits", "rows wait") + " for a retry in " + text.Span(b.RetryAt.Sub(b.Now)+time.Second/2)
	case b.before() > 0:
		return text.Plural(b.before(), "row of other batches comes", "rows of other batches come") + " first"
	}
	return ""
}

func (b Batch) paused() string {
	return "paused" + reason(b.StatusReason) + "; `relabel batch resume " + fmt.Sprint(b.Batch) + "` resumes it"
}

// before counts the rows of other batches that are sent before this one's.
func (b Batch) before() int64 {
	if b.Status != db.BatchActive {
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

// StatusWord is the status as a list shows it.
func (b Batch) StatusWord() string {
	if b.ReplacedBy != nil {
		return fmt.Sprintf("replaced by %d", *b.ReplacedBy)
	}
	if b.ParkedReason != nil && b.Left() > 0 {
		return string(b.Status) + " (parked)"
	}
	return string(b.Status)
}

// Ends says when the batch will end, such as "ends 14:02:10 (in 3 h 12 min)";
// empty if that is not known.
func (b Batch) Ends() string {
	if b.ETA == nil {
		return ""
	}
	return fmt.Sprintf("ends %s (in %s)", text.Clock(*b.ETA, b.Now), text.Span(max(b.ETA.Sub(b.Now), 0)))
}

// EndsWord is the time when the batch ends or ended, as a list shows it.
func (b Batch) EndsWord() string {
	switch {
	case b.FinishedAt != nil:
		return "ended " + text.Clock(*b.FinishedAt, b.Now)
	case b.ETA != nil:
		return "ends " + text.Clock(*b.ETA, b.Now)
	}
	return "-"
}

// Stranded explains that rows of another batch stay superseded by a batch that
// was cancelled, and how to send them.
func Stranded(s records.Stranded) string {
	return fmt.Sprintf("%s of batch %d had a newer name in the cancelled one, so nothing is sent for them; `relabel batch retry %d --status superseded` sends them",
		text.Plural(s.Rows, "row", "rows"), s.Batch, s.Batch)
}
