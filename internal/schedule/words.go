package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// simpleCron matches the expressions that InWords can say: a fixed minute, a fixed hour
// or every hour, and one field more.
var simpleCron = regexp.MustCompile(`^(\d{1,2}) (\d{1,2}|\*) (\d{1,2}|\*) \* (\d|MON-FRI|1-5|\*)$`)

// stepCron matches every so many minutes, or hours.
var stepCron = regexp.MustCompile(`^(?:\*/(\d{1,2}) \*|0 \*/(\d{1,2})) \* \* \*$`)

// InWords says when a cron expression is due: "every day at 02:00, Berlin". It is empty
// for an expression that the words would not make clearer.
func InWords(expression, zone string) string {
	five, err := expand(strings.TrimSpace(expression))
	if err != nil {
		return ""
	}
	place := ", " + zone[strings.LastIndex(zone, "/")+1:]
	place = strings.ReplaceAll(place, "_", " ")
	if every, ok := strings.CutPrefix(five, "@every "); ok {
		return "every " + every
	}
	five = strings.Join(strings.Fields(strings.ToUpper(five)), " ")
	if step := stepCron.FindStringSubmatch(five); step != nil {
		return stepInWords(step[1], 60, "minutes") + stepInWords(step[2], 24, "hours")
	}
	m := simpleCron.FindStringSubmatch(five)
	if m == nil {
		return ""
	}
	minute, hour, dom, dow := m[1], m[2], m[3], m[4]
	at := fmt.Sprintf(" at %02s:%02s", hour, minute) + place
	switch {
	case hour == "*" && dom == "*" && dow == "*":
		return fmt.Sprintf("every hour at minute %s", minute)
	case hour == "*", dom != "*" && dow != "*":
		return ""
	case dom != "*":
		return "on day " + dom + " of each month" + at
	case dow == "1-5", dow == "MON-FRI":
		return "every weekday, Monday to Friday," + at
	case dow != "*":
		n, _ := strconv.Atoi(dow)
		return "every " + time.Weekday(n%7).String() + at
	}
	return "every day" + at
}

// stepInWords is empty for steps that do not divide the whole: the last one is shorter.
func stepInWords(step string, whole int, unit string) string {
	n, err := strconv.Atoi(step)
	if err != nil || n < 2 || whole%n != 0 {
		return ""
	}
	return fmt.Sprintf("every %d %s", n, unit)
}
