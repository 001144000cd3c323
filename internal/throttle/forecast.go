package throttle

import "time"

// Forecast is how long it takes to get grants for so many calls when limit of
// them can be had in a window and free can be had now. Without a limit (0) it
// knows nothing and says 0.
//
// It follows from the limit and what is left, not from an average that
// includes waits.
func Forecast(calls int64, limit, free int, window time.Duration) time.Duration {
	late := calls - int64(max(free, 0))
	if limit <= 0 || late <= 0 {
		return 0
	}
	windows := (late + int64(limit) - 1) / int64(limit)
	return time.Duration(windows) * window
}
