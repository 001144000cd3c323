package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
)

// Why a batch waits: first what a person must do, then what passes without one.
func TestWaiting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	text, soon := "HTTP 401, not_authorized: no", now.Add(90*time.Second)
	for _, c := range []struct {
		change func(*Batch)
		want   string
	}{
		{func(*Batch) {}, ""},
		{func(b *Batch) { b.Ahead += 12 }, "12 rows of other batches come first"},
		{func(b *Batch) { b.RetryAt = &soon }, "5 rows wait for a retry in 1 min 31 s"},
		{func(b *Batch) { b.Lane.Blocked = 30 * time.Second }, "waits 31 s because the API answered 429 and asked us to wait"},
		{func(b *Batch) { b.BreakerError = &text }, "the API is failing (HTTP 401, not_authorized: no); one call every 5 s tests whether it works again"},
		{func(b *Batch) { b.Worked, b.BreakerError = false, &text }, "no worker is running; `relabel work --site shop` sends it"},
		{func(b *Batch) { b.Worked, b.Status = false, "paused" }, "paused; `relabel batch resume 7` resumes it"},
		{func(b *Batch) { b.Status, b.StatusReason = "paused", &text }, "paused: HTTP 401, not_authorized: no; `relabel batch resume 7` resumes it"},
		{func(b *Batch) { b.Status, b.SitePaused = "paused", true }, "the site is paused; `relabel site resume --site shop` resumes it"},
		{func(b *Batch) { b.SitePaused, b.ParkedReason = true, &text }, "parked: HTTP 401, not_authorized: no, then `relabel site resume --site shop`"},
		{func(b *Batch) { b.RefusedIn = &text }, "HTTP 401, not_authorized: no still has a token that was refused: restart it"},
		{func(b *Batch) { b.RefusedIn, b.Lane.Blocked = &text, 30*time.Second }, "waits 31 s because the API answered 429 and asked us to wait"},
		{func(b *Batch) { b.Status, b.Worked = "planned", false }, ""},
		{func(b *Batch) { b.Status, b.Worked = "cancelled", false }, ""},
	} {
		b := Batch{BatchProgress: records.BatchProgress{Batch: 7, Site: "shop", Status: "active", Pending: 5, Ahead: 5, Worked: true, Now: now}}
		c.change(&b)
		require.Equal(t, c.want, b.Waiting())
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	require.Equal(t, "limit not known yet", Rate(records.LaneState{}))
	require.Equal(t, "no limit", Rate(records.LaneState{Window: time.Minute}))
	require.Equal(t, "1,100 of 1,200 calls in 1 min (1,000 by others)", Rate(records.LaneState{Window: time.Minute, Limit: 1200, Used: 1100, Foreign: 1000}))
	require.Equal(t, "60 of 60 calls in 1 min (5 by others)", Rate(records.LaneState{Window: time.Minute, Limit: 60, Used: 61, Foreign: 5}))
}
