package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stamp reads a moment with its offset, such as 2026-03-29 03:00 +02.
func stamp(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04 -07", text)
	require.NoError(t, err)
	return at
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, zone, after string
		want              []string
	}{
		"night":                   {"0 2 * * *", "Europe/Berlin", "2026-06-01 00:00 +02", []string{"2026-06-01 02:00 +02", "2026-06-02 02:00 +02", "2026-06-03 02:00 +02"}},
		"right at it":             {"0 2 * * *", "UTC", "2026-06-01 02:00 +00", []string{"2026-06-02 02:00 +00"}},
		"left out by the change":  {"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:30 +02"}},
		"shown twice":             {"30 2 * * *", "Europe/Berlin", "2026-10-24 12:00 +02", []string{"2026-10-25 02:30 +02", "2026-10-26 02:30 +01"}},
		"between the two":         {"30 2 * * *", "Europe/Berlin", "2026-10-25 02:40 +02", []string{"2026-10-26 02:30 +01"}},
		"second of the two":       {"30 2 * * *", "Europe/Berlin", "2026-10-25 02:10 +01", []string{"2026-10-26 02:30 +01"}},
		"the change itself":       {"0 3 * * *", "Europe/Berlin", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 03:00 +02"}},
		"left out, and after":     {"30 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-29 03:30 +02", "2026-03-30 02:30 +02"}},
		"left out, many":          {"*/15 2 * * *", "Europe/Berlin", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:00 +02"}},
		"shown twice, many":       {"*/30 2 * * *", "Europe/Berlin", "2026-10-24 12:00 +02", []string{"2026-10-25 02:00 +02", "2026-10-25 02:30 +02", "2026-10-26 02:00 +01"}},
		"every hour, forward":     {"30 * * * *", "Europe/Berlin", "2026-03-29 00:45 +01", []string{"2026-03-29 01:30 +01", "2026-03-29 03:30 +02", "2026-03-29 04:30 +02"}},
		"every hour, back":        {"30 * * * *", "Europe/Berlin", "2026-10-25 01:45 +02", []string{"2026-10-25 02:30 +02", "2026-10-25 02:30 +01", "2026-10-25 03:30 +01"}},
		"New York, forward":       {"30 2 * * *", "America/New_York", "2026-03-07 12:00 -05", []string{"2026-03-08 03:00 -04", "2026-03-09 02:30 -04"}},
		"New York, back":          {"30 1 * * *", "America/New_York", "2026-10-31 12:00 -04", []string{"2026-11-01 01:30 -04", "2026-11-02 01:30 -05"}},
		"half an hour forward":    {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +10", []string{"2026-10-03 15:30 +00", "2026-10-04 15:15 +00"}},
		"half an hour back":       {"45 1 * * *", "Australia/Lord_Howe", "2026-04-03 20:00 +00", []string{"2026-04-04 14:45 +00", "2026-04-05 15:15 +00"}},
		"midnight that is not":    {"0 0 * * *", "America/Santiago", "2026-09-05 12:00 -04", []string{"2026-09-06 01:00 -03", "2026-09-07 00:00 -03"}},
		"a day that is not":       {"0 12 * * *", "Pacific/Apia", "2011-12-29 13:00 -10", []string{"2011-12-30 10:00 +00", "2011-12-30 22:00 +00"}},
		"daily":                   {"@daily", "UTC", "2026-06-01 02:00 +00", []string{"2026-06-02 00:00 +00"}},
		"weekly":                  {"@weekly", "UTC", "2026-06-01 02:00 +00", []string{"2026-06-07 00:00 +00"}},
		"weekdays":                {"0 2 * * MON-FRI", "UTC", "2026-06-05 03:00 +00", []string{"2026-06-08 02:00 +00"}},
		"day of month or of week": {"0 2 13 * 5", "UTC", "2026-06-05 03:00 +00", []string{"2026-06-12 02:00 +00", "2026-06-13 02:00 +00"}},
		"29 February":             {"0 2 29 2 *", "UTC", "2026-06-05 03:00 +00", []string{"2028-02-29 02:00 +00"}},
		"every":                   {"@every 90m", "UTC", "2026-06-05 03:00 +00", []string{"2026-06-05 04:30 +00", "2026-06-05 06:00 +00"}},
		"spaces":                  {"  0   2 * *   * ", "UTC", "2026-06-01 00:00 +00", []string{"2026-06-01 02:00 +00"}},
	} {
		times, err := ParseTimes(c.cron, c.zone)
		require.NoError(t, err, name)
		after := stamp(t, c.after)
		got := times.NextN(after, len(c.want))
		require.Len(t, got, len(c.want), name)
		for i, want := range c.want {
			require.True(t, stamp(t, want).Equal(got[i]), "%s: want %s, got %s", name, want, got[i])
		}
	}
}

// Over years and zones: a time of the day comes once a day of the calendar,
// whatever is done to the clocks, and always later than the one before.
func TestTimesOnceADay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Asia/Kolkata", "UTC"} {
		for _, expression := range []string{"30 2 * * *", "0 0 * * *", "59 23 * * *", "30 1 * * *", "15 3 * * *"} {
			times, err := ParseTimes(expression, zone)
			require.NoError(t, err)
			at := time.Date(2024, 12, 31, 12, 0, 0, 0, time.UTC)
			days := map[string]int{}
			for range 3 * 365 {
				next := times.Next(at)
				require.True(t, next.After(at))
				require.Less(t, next.Sub(at), 26*time.Hour, "%s %s after %s", expression, zone, at)
				days[next.In(times.zone).Format(time.DateOnly)]++
				at = next
			}
			require.Len(t, days, 3*365, "%s %s", expression, zone)
		}
	}
}

func TestWrongTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, zone, says string }{
		{"61 2 * * *", "UTC", `minute: "61"`},
		{"0 24 * * *", "UTC", `hour: "24"`},
		{"0 2 32 * *", "UTC", `day of month: "32"`},
		{"0 2 * 13 *", "UTC", `month: "13"`},
		{"0 2 * * 7", "UTC", `day of week: "7"`},
		{"0 2 * * MOON", "UTC", `day of week: "MOON"`},
		{"*/0 2 * * *", "UTC", `minute: "*/0"`},
		{"0 2 * *", "UTC", "has 4 fields"},
		{"0 0 2 * * *", "UTC", "has 6 fields"},
		{"CRON_TZ=Europe/Berlin 0 2 * * *", "UTC", "has 6 fields"},
		{"", "UTC", "has 0 fields"},
		{"@reboot", "UTC", "@reboot"},
		{"@every 5", "UTC", "@every"},
		{"@every 500ms", "UTC", "@every"},
		{"@every -5m", "UTC", "@every"},
		{"0 0 31 2 *", "UTC", "never happens"},
		{"0 2 * * *", "Europe/Nowhere", "Europe/Nowhere"},
		{"0 2 * * *", "", "time zone"},
	} {
		_, err := ParseTimes(c.cron, c.zone)
		require.ErrorIs(t, err, ErrExpression, c.cron)
		require.ErrorContains(t, err, c.says)
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, first, now, last string
		n                      int
	}{
		"just due":             {"0 2 * * *", "2026-06-01 02:00 +00", "2026-06-01 02:00 +00", "2026-06-01 02:00 +00", 1},
		"an hour later":        {"0 2 * * *", "2026-06-01 02:00 +00", "2026-06-01 03:00 +00", "2026-06-01 02:00 +00", 1},
		"three days":           {"0 2 * * *", "2026-06-01 02:00 +00", "2026-06-04 01:00 +00", "2026-06-03 02:00 +00", 3},
		"every minute, a year": {"* * * * *", "2025-06-01 02:00 +00", "2026-06-04 01:00 +00", "2026-06-04 01:00 +00", maxCounted},
		"every ten, a month":   {"@every 10s", "2026-06-01 02:00 +00", "2026-07-01 02:00 +00", "2026-07-01 02:00 +00", maxCounted},
	} {
		times, err := ParseTimes(c.cron, "UTC")
		require.NoError(t, err, name)
		last, n := times.latest(stamp(t, c.first), stamp(t, c.now))
		require.True(t, stamp(t, c.last).Equal(last), "%s: %s", name, last)
		require.Equal(t, c.n, n, name)
	}
}
