package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

func TestETA(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	reason := "401"
	lane := db.LaneState{Limit: 60, Window: time.Minute, Used: 60}
	active := db.BatchStatus{Status: "active", Ahead: 120, Now: now}
	with := func(change func(*db.BatchStatus)) db.BatchStatus {
		st := active
		change(&st)
		return st
	}
	for name, c := range map[string]struct {
		st   db.BatchStatus
		lane db.LaneState
		want time.Duration // 0: none
	}{
		"two windows":   {active, lane, 2 * time.Minute},
		"some now":      {active, db.LaneState{Limit: 60, Window: time.Minute, Used: 0}, time.Minute},
		"after a 429":   {active, db.LaneState{Limit: 60, Window: time.Minute, Used: 60, Blocked: 30 * time.Second}, 150 * time.Second},
		"no limit":      {active, db.LaneState{}, 0},
		"parked":        {with(func(s *db.BatchStatus) { s.ParkedReason = &reason }), lane, 0},
		"site paused":   {with(func(s *db.BatchStatus) { s.SitePaused = true }), lane, 0},
		"breaker open":  {with(func(s *db.BatchStatus) { s.BreakerError = &reason }), lane, 0},
		"paused, done…": {with(func(s *db.BatchStatus) { s.Status = "paused" }), lane, 0},
	} {
		got := eta(c.st, c.lane)
		if c.want == 0 {
			require.Nil(t, got, name)
			continue
		}
		require.Equal(t, now.Add(c.want), *got, name)
	}
}
