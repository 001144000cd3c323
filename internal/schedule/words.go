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
	m := simpleCron.FindStringSubmatch(strings.Join(strings.Fields(strings.ToUpper(five)), " "))
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
