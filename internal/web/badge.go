package web

import (
	"fmt"
	"strings"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
)

// badge is a status label: its word, and the CSS class of its colour and sign.
type badge struct{ Class, Word string }

// badgeOf takes a batch, or the status of anything else: a row's, a run's, a
// schedule's.
func badgeOf(of any) badge {
	if b, ok := of.(report.Batch); ok {
		return batchBadge(b)
	}
	word := fmt.Sprint(of)
	return badge{Class: word, Word: word}
}

// batchBadge shows a batch's result, not only that it has ended.
func batchBadge(b report.Batch) badge {
	switch {
	case b.ReplacedBy != nil:
		return badge{"replaced", fmt.Sprintf("replaced by %d", *b.ReplacedBy)}
	case b.ParkedReason != nil && b.Left() > 0:
		return badge{"parked", string(b.Status) + ", site parked"}
	case nothingToSend(b):
		return badge{"unchanged", "plan, nothing to change"}
	case b.Status == db.BatchDone:
		return doneBadge(b)
	case b.Status == db.BatchActive && b.Bad() > 0:
		return badge{"active", "active, " + badRows(b)}
	}
	return badge{string(b.Status), string(b.Status)}
}

func doneBadge(b report.Batch) badge {
	switch {
	case b.Total > 0 && b.Superseded == b.Total:
		return badge{"superseded", "superseded"}
	case b.Bad() == 0:
		return badge{"done", "done"}
	case b.Bad() == b.Total && b.Failed == b.Total:
		return badge{"failed", "all failed"}
	case b.Bad() == b.Total:
		return badge{"failed", badRows(b)}
	}
	return badge{"partly", "done, " + badRows(b)}
}

// badRows counts the rows that did not succeed: "3 failed, 1 conflict".
func badRows(b report.Batch) string {
	var parts []string
	for _, c := range []count{{"failed", b.Failed}, {"conflict", b.Conflict}, {"invalid", b.Invalid}} {
		if c.Rows > 0 {
			parts = append(parts, text.Number(c.Rows)+" "+c.Status)
		}
	}
	return strings.Join(parts, ", ")
}

// nothingToSend reports whether a plan was compared and has no row to send. Nobody
// needs to look at it.
func nothingToSend(b report.Batch) bool {
	return b.Status == db.BatchPlanned && b.PlannedAt != nil && b.Pending == 0 && b.Bad() == 0
}
