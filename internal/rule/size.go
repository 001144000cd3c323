package rule

import (
	"strconv"
	"strings"
	"time"
)

// parseSize reads 500KB, 2MB, 1.5 MiB or a number of bytes. KB and MB are thousands, as
// Webflow's limits are.
func parseSize(text string) (bytes int64, err error) {
	number := strings.ToLower(strings.TrimSpace(text))
	factor := 1.0
	for _, unit := range []struct {
		name   string
		factor float64
	}{
		{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1},
	} {
		if rest, ok := strings.CutSuffix(number, unit.name); ok {
			number, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n*factor < 1<<62) {
		return 0, wrong("larger-than", "%q is not a size such as 500KB, 2MB or 1.5GB", text)
	}
	return int64(n * factor), nil
}

// parseDate reads a day, which begins at midnight UTC, or a moment.
func parseDate(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, wrong("created-after", "%q is not a date such as 2026-01-31, or a time such as 2026-01-31T14:30:00Z", text)
}
