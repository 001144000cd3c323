package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // zones work on machines that have none

	"github.com/robfig/cron/v3"

	"relabel/internal/text"
)

// Times are the moments of a cron expression in a time zone.
//
// An expression names times of a wall clock. When the clock is put forward, a time
// that it skips happens once, right after the change. When it is put back, a time
// that it shows twice happens once, the first time. An expression for every hour
// follows real hours instead, so that no hour is skipped or late.
type Times struct {
	wall  cron.Schedule // on a clock that never changes
	real  cron.Schedule // in the zone; nil: use wall
	every time.Duration // for @every, instead of both
	zone  *time.Location
}

// fields returns the fields of a cron expression and their bounds in words.
func fields() []struct{ name, bounds string } {
	return []struct{ name, bounds string }{
		{"minute", "0 to 59"},
		{"hour", "0 to 23"},
		{"day of month", "1 to 31"},
		{"month", "1 to 12 or JAN to DEC"},
		{"day of week", "0 (Sunday) to 6, or SUN to SAT"},
	}
}

const (
	cronHelp = `a cron expression has five fields, minute hour day-of-month month day-of-week, such as "0 2 * * *"; or @hourly, @daily, @weekly, @monthly, @yearly, @every 10m`

	minEvery = time.Second
	maxEvery = 366 * 24 * time.Hour
)

// ErrExpression is the error for a wrong cron expression or time zone.
var ErrExpression = errors.New("wrong expression")

func wrong(format string, args ...any) error {
	return fmt.Errorf(format+"%w", append(args, silent{ErrExpression})...)
}

// silent is an error without a text, for errors.Is only.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// ParseTimes reads a cron expression and the name of a time zone. Its errors name
// the wrong field.
func ParseTimes(expression, zone string) (*Times, error) {
	loc, err := ParseZone(zone)
	if err != nil {
		return nil, err
	}
	t := &Times{zone: loc}
	expression, err = expand(strings.TrimSpace(expression))
	if err != nil {
		return nil, err
	}
	if d, ok := strings.CutPrefix(expression, "@every "); ok {
		t.every, err = parseEvery(strings.TrimSpace(d))
		return t, err
	}
	parts := strings.Fields(expression)
	if len(parts) != len(fields()) {
		return nil, wrong("%q has %s: %s", expression, text.Plural(int64(len(parts)), "field", "fields"), cronHelp)
	}
	if err := checkFields(parts); err != nil {
		return nil, err
	}
	text := strings.Join(parts, " ")
	if t.wall, err = parser().Parse("TZ=UTC " + text); err != nil {
		return nil, wrong("%q can't be read: %s", expression, cronHelp)
	}
	if everyHour(parts[1]) {
		if t.real, err = parser().Parse("TZ=" + loc.String() + " " + text); err != nil {
			return nil, wrong("%q can't be read in %s", expression, loc)
		}
	}
	if t.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, wrong("%q never happens: there is no such date", expression)
	}
	return t, nil
}

func parser() cron.Parser {
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
}

// ParseZone finds a time zone by its name: Europe/Berlin, UTC, or Local for this
// machine's.
func ParseZone(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, wrong("there is no time zone %q: write one such as Europe/Berlin or UTC", name)
	}
	return loc, nil
}

// expand rewrites @daily and similar names as five fields.
func expand(expression string) (string, error) {
	if !strings.HasPrefix(expression, "@") || strings.HasPrefix(expression, "@every ") {
		return expression, nil
	}
	for name, five := range map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	} {
		if strings.EqualFold(expression, name) {
			return five, nil
		}
	}
	return "", wrong("there is no %q: %s", expression, cronHelp)
}

func parseEvery(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < minEvery || d > maxEvery || d%time.Second != 0 {
		return 0, wrong("@every takes whole seconds, minutes or hours, such as 90s, 10m or 6h, not %q", text)
	}
	return d, nil
}

// checkFields parses each field alone, to name the wrong one.
func checkFields(parts []string) error {
	for i, f := range fields() {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = parts[i]
		if _, err := parser().Parse(strings.Join(alone, " ")); err != nil {
			return wrong("%s: %q is not right: it takes %s, *, lists 1,15, ranges 1-5 and steps */10", f.name, parts[i], f.bounds)
		}
	}
	return nil
}

var everyHourPattern = regexp.MustCompile(`^(\*|\?|\*/1|0-23|0-23/1)$`)

func everyHour(field string) bool { return everyHourPattern.MatchString(field) }

// Next returns the first moment after a time; zero if there is none.
func (t *Times) Next(after time.Time) time.Time {
	switch {
	case t.every > 0:
		return after.Add(t.every).Truncate(time.Second)
	case t.real != nil:
		return t.real.Next(after.In(t.zone))
	}
	clock := wallOf(after.In(t.zone))
	for {
		clock = t.wall.Next(clock)
		if clock.IsZero() {
			return clock
		}
		if at := momentOf(clock, t.zone); at.After(after) {
			return at
		}
	}
}

// NextN returns the first n moments after a time.
func (t *Times) NextN(after time.Time, n int) []time.Time {
	var list []time.Time
	for range n {
		if after = t.Next(after); after.IsZero() {
			break
		}
		list = append(list, after)
	}
	return list
}

// wallOf returns what the wall clock shows at t, as a time in UTC, which never
// changes its clocks.
func wallOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// momentOf returns when the zone's wall clock first shows that time. For a time
// that it skips, it returns the moment of the clock change. A later clock never
// gives an earlier moment.
func momentOf(clock time.Time, zone *time.Location) time.Time {
	_, before := clock.Add(-24 * time.Hour).In(zone).Zone()
	_, after := clock.Add(24 * time.Hour).In(zone).Zone()
	early := clock.Add(-time.Duration(max(before, after)) * time.Second).In(zone)
	late := clock.Add(-time.Duration(min(before, after)) * time.Second).In(zone)
	for _, at := range []time.Time{early, late} {
		if wallOf(at).Equal(clock) {
			return at
		}
	}
	change, _ := late.ZoneBounds()
	return change
}

// maxCounted bounds the count of missed moments. Nobody needs a larger number.
const maxCounted = 10_000

// latest returns the last moment up to now, counted from first. n is their number,
// at most maxCounted.
func (t *Times) latest(first, now time.Time) (last time.Time, n int) {
	if t.every > 0 {
		steps := now.Sub(first) / t.every
		return first.Add(steps * t.every), int(min(steps+1, maxCounted))
	}
	last, n = first, 1
	for at := t.Next(first); !at.IsZero() && !at.After(now); at = t.Next(at) {
		last, n = at, n+1
		if n == maxCounted {
			return t.lastBefore(at, now), n
		}
	}
	return last, n
}

// lastBefore finds the last moment up to now. It looks back in growing steps, as
// far as otherwise, which it returns if there is none.
func (t *Times) lastBefore(otherwise, now time.Time) time.Time {
	for back := time.Hour; ; back *= 24 {
		from := now.Add(-back)
		if !from.After(otherwise) {
			from = otherwise
		}
		last := time.Time{}
		for at := t.Next(from); !at.IsZero() && !at.After(now); at = t.Next(at) {
			last = at
		}
		switch {
		case !last.IsZero():
			return last
		case from.Equal(otherwise):
			return otherwise
		}
	}
}
