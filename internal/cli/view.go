package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/throttle"
)

// batchView is a batch as every command shows it: its status, the lane it goes
// through, and when it ends.
type batchView struct {
	db.BatchStatus
	ETA  *time.Time `json:"eta"`
	lane db.LaneState
}

func (s *session) view(ctx context.Context, id int64) (batchView, error) {
	st, err := s.BatchStatus(ctx, id)
	if err != nil {
		return batchView{}, err
	}
	return s.viewOf(ctx, st)
}

func (s *session) viewOf(ctx context.Context, st db.BatchStatus) (batchView, error) {
	lane, _, err := s.Lane(ctx, st.Site)
	if err != nil {
		return batchView{}, err
	}
	return batchView{BatchStatus: st, ETA: eta(st, lane), lane: lane}, nil
}

// eta is when a running batch ends at the limit in force, with what comes
// before it; nil when it has ended, waits for a person, or has no limit to go
// by.
func eta(st db.BatchStatus, lane db.LaneState) *time.Time {
	if st.Status != "active" || st.ParkedReason != nil || st.SitePaused || st.BreakerError != nil || lane.Limit == 0 {
		return nil
	}
	at := st.Now.Add(lane.Blocked + throttle.Forecast(st.Ahead, lane.Limit, lane.Limit-lane.Used, lane.Window))
	at = at.Round(time.Second)
	return &at
}

// counts lists the statuses that have rows: "1,990 succeeded, 10 failed".
func counts(st db.BatchStatus) string {
	var parts []string
	for _, c := range []struct {
		n    int64
		name string
	}{
		{st.Succeeded, "succeeded"},
		{st.Unchanged, "unchanged"},
		{st.Failed, "failed"},
		{st.Conflict, "conflict"},
		{st.Superseded, "superseded"},
		{st.Cancelled, "cancelled"},
		{st.Invalid, "invalid"},
		{st.Sending, "sending"},
		{st.Pending, "pending"},
	} {
		if c.n > 0 {
			parts = append(parts, number(c.n)+" "+c.name)
		}
	}
	return strings.Join(parts, ", ")
}

// held tells that relabel itself has paused the batch: somebody must look at it.
func (v batchView) held() bool { return v.Status == "paused" && v.StatusReason != nil }

// waiting says why nothing is sent now, or nothing when all is well.
func (v batchView) waiting() string {
	switch {
	case v.ParkedReason != nil:
		return "parked: " + *v.ParkedReason
	case v.SitePaused:
		return "the site is paused; `relabel site resume" + siteFlag(v.Site) + "` goes on"
	case v.Status == "paused":
		return "paused" + reason(v.StatusReason) + "; `relabel batch resume " + fmt.Sprint(v.Batch) + "` goes on"
	case v.BreakerError != nil:
		return "the API fails (" + cut(*v.BreakerError, 60) + "): one call every " + span(db.ProbeEvery) + " finds out when it is well again"
	case v.lane.Blocked > 0:
		return "waits " + span(v.lane.Blocked+time.Second/2) + ": the API answered 429 and said for how long"
	}
	return ""
}

func reason(r *string) string {
	if r == nil {
		return ""
	}
	return ": " + *r
}

// rateText is the lane: "58 of 60 calls in 1 min".
func rateText(l db.LaneState) string {
	if l.Limit == 0 {
		return "no limit"
	}
	text := fmt.Sprintf("%d of %d calls in %s", min(l.Used, l.Limit), l.Limit, windowText(l.Window))
	if l.Foreign > 0 {
		text += fmt.Sprintf(" (%d by others)", l.Foreign)
	}
	return text
}

func windowText(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return span(d)
}

// etaText is "ends 14:02:10 (in 3 h 12 min)".
func (v batchView) etaText() string {
	if v.ETA == nil {
		return ""
	}
	return fmt.Sprintf("ends %s (in %s)", clock(*v.ETA, v.Now), span(max(v.ETA.Sub(v.Now), 0)))
}
