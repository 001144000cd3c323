package web

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
)

// A batch's badge tells its result, and what has no result tells its status.
func TestBadge(t *testing.T) {
	t.Parallel()
	by, reason := int64(46), "401"
	for want, b := range map[badge]records.BatchProgress{
		{"done", "done"}:                         {Status: db.BatchDone, Total: 3, Succeeded: 2, Unchanged: 1},
		{"partly", "done, 3 failed, 1 conflict"}: {Status: db.BatchDone, Total: 9, Succeeded: 5, Failed: 3, Conflict: 1},
		{"failed", "all failed"}:                 {Status: db.BatchDone, Total: 3, Failed: 3},
		{"failed", "2 failed, 1 invalid"}:        {Status: db.BatchDone, Total: 3, Failed: 2, Invalid: 1},
		{"superseded", "superseded"}:             {Status: db.BatchDone, Total: 3, Superseded: 3},
		{"replaced", "replaced by 46"}:           {Status: db.BatchCancelled, Total: 3, ReplacedBy: &by},
		{"cancelled", "cancelled"}:               {Status: db.BatchCancelled, Total: 3, Cancelled: 3},
		{"active", "active, 1 failed"}:           {Status: db.BatchActive, Total: 3, Pending: 2, Failed: 1},
		{"parked", "active, site parked"}:        {Status: db.BatchActive, Total: 3, Pending: 3, ParkedReason: &reason},
		{"unchanged", "plan, nothing to change"}: {Status: db.BatchPlanned, Total: 3, Unchanged: 3, PlannedAt: ptr(records.BatchProgress{}.CreatedAt)},
		{"planned", "planned"}:                   {Status: db.BatchPlanned, Total: 3, Pending: 3},
	} {
		require.Equal(t, want, badgeOf(report.Batch{BatchProgress: b}))
	}
	require.Equal(t, badge{"conflict", "conflict"}, badgeOf(db.RowConflict))
}
