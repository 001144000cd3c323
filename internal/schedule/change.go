package schedule

import (
	"fmt"
	"strconv"
	"strings"

	"relabel/internal/text"
)

// MaxChange is the largest change that a run may apply without a person: a share
// of the rows, or a number of rows.
type MaxChange struct {
	share float64 // percent
	rows  int64
	isPct bool
}

// ParseMaxChange reads 20% or 500.
func ParseMaxChange(text string) (MaxChange, error) {
	bad := fmt.Errorf("%q is neither a share of the rows, such as 20%%, nor a number of rows, such as 500", text)
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

// exceeded reports whether that many changes are too many.
func (m MaxChange) exceeded(changes, rows int64) bool {
	if m.isPct {
		return float64(changes)*100 > m.share*float64(rows)
	}
	return changes > m.rows
}

// heldReason says why a plan must wait for a person; empty if it need not.
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
	return fmt.Sprintf("%s of %s would change, more than --max-change %s, so nothing was sent; `relabel apply %d` sends the plan, otherwise the next run replaces it",
		text.Number(changes), text.Plural(rows, "row", "rows"), *maxChange, batch), nil
}
