package schedule

import (
	"fmt"
	"strconv"
	"strings"

	"relabel/internal/report"
)

// MaxChange is how many rows a run may change with nobody looking: a share of the
// rows, or a number of them.
type MaxChange struct {
	share float64 // in percent
	rows  int64
	isPct bool
}

// ParseMaxChange reads 20% or 500.
func ParseMaxChange(text string) (MaxChange, error) {
	bad := fmt.Errorf("%q is neither a share of the rows, such as 20%%, nor a number of them, such as 500", text)
	if pct, ok := strings.CutSuffix(strings.TrimSpace(text), "%"); ok {
		share, err := strconv.ParseFloat(strings.TrimSpace(pct), 64)
		if err != nil || !(share >= 0 && share <= 100) {
			return MaxChange{}, bad
		}
		return MaxChange{share: share, isPct: true}, nil
	}
	rows, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || rows < 0 {
		return MaxChange{}, bad
	}
	return MaxChange{rows: rows}, nil
}

// exceeded tells whether so many changes of so many rows are too many.
func (m MaxChange) exceeded(changes, rows int64) bool {
	if m.isPct {
		return float64(changes)*100 > m.share*float64(rows)
	}
	return changes > m.rows
}

// heldReason says why a plan waits for a person; empty: it does not.
func heldReason(maxChange *string, batch, changes, rows int64) (string, error) {
	if maxChange == nil {
		return "", nil
	}
	m, err := ParseMaxChange(*maxChange)
	if err != nil {
		return "", fmt.Errorf("--max-change: %w", err)
	}
	if !m.exceeded(changes, rows) {
		return "", nil
	}
	return fmt.Sprintf("%s of %s would change, more than --max-change %s: nothing is sent; `relabel apply %d` sends it, the next run replaces it",
		report.Number(changes), report.Plural(rows, "row", "rows"), *maxChange, batch), nil
}
