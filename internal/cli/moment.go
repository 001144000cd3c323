package cli

import (
	"strconv"
	"strings"
	"time"
)

// moment reads a time as people write it: how long ago, a time of today, a date, or
// date and time. It is local unless it is RFC 3339 with a zone. An empty text is the
// zero time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, ok := duration(text); ok {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			y, m, d := now.Local().Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.Local), nil
		}
	}
	return time.Time{}, usageError("--%s takes how long ago (90s, 2h, 3d) or a time (14:30, 2026-11-23, 2026-11-23T14:30), not %q", flag, text)
}

// duration reads 90s, 15m, 2h, 3d.
func duration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n < 10_000
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
