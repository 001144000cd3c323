package report

import (
	"fmt"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

// quoted makes a text from outside safe to show: on one line, without control
// characters, and cut.
func quoted(s string) string { return fmt.Sprintf("%q", text.Cut(s, 120)) }

// values names what a row sets, or what a site had.
func values(name, alt *string) string {
	var parts []string
	if name != nil {
		parts = append(parts, "the name "+quoted(*name))
	}
	if alt != nil {
		parts = append(parts, altText(*alt))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " and ")
}

func altText(alt string) string {
	if alt == "" {
		return "an empty alt text"
	}
	return "the alt text " + quoted(alt)
}

func inLocale(id string) string {
	if id == "" {
		return ""
	}
	return " in locale " + id
}

func askedText(r records.ToldRename) string {
	verb := "asks for"
	if r.Planned {
		verb = "plans"
	}
	return fmt.Sprintf("line %d of %s (batch %d %s) %s %s%s",
		r.Line, text.Line(r.Source), r.Batch, quoted(r.BatchName), verb, values(r.DisplayName, r.AltText), inLocale(r.LocaleID))
}

func beforeText(r records.ToldRename) string {
	return "the value before: " + values(r.BeforeName, r.BeforeAlt) + inLocale(r.LocaleID)
}

func seenText(s records.Seen) string {
	if s.Gone {
		return "when relabel last read the site, it had no such asset" + inLocale(s.LocaleID)
	}
	return "when relabel last read the site, it had " + values(&s.DisplayName, &s.AltText) + inLocale(s.LocaleID)
}

const becauseUnknown = "because an earlier call for the asset had no clear outcome and might still take effect"

func stopText(e records.Event) string {
	why := ""
	if e.Detail != nil {
		why = ": " + text.Line(*e.Detail)
	}
	switch e.Kind {
	case records.EventLaneStopped:
		return because429
	case records.EventCallUnknown:
		return becauseUnknown
	case records.EventBatchPaused:
		return "because its batch was paused" + why
	case records.EventSitePaused:
		return "because the site was paused" + why
	case records.EventSiteParked:
		return "because the site was parked" + why
	case records.EventBreakerOpened:
		return "because the API was failing and only test calls were sent" + why
	}
	return string(e.Kind)
}

func calledText(r records.ToldRename, a records.Attempt) string {
	answer := "no answer"
	if a.HTTPStatus != nil {
		answer = fmt.Sprintf("HTTP %d", *a.HTTPStatus)
	}
	call := fmt.Sprintf("call %d, %s after %s", a.Fence, answer, took(a.Duration))
	said := ""
	if a.Message != nil && *a.Message != "" {
		said = ": " + text.Line(*a.Message)
	}
	switch a.Outcome {
	case db.OutcomeSucceeded:
		return call + storedText(r)
	case db.OutcomeFailed:
		return call + said + "; it failed for good"
	case db.OutcomeRetry:
		return call + said + "; retry due" + delayText(a.Delay)
	case db.OutcomeRateLimited:
		return call + said + "; all calls with this token stop, and this call does not count as an attempt"
	case db.OutcomeParked:
		return call + said + "; the site is parked"
	case db.OutcomeInterrupted:
		return call + said + "; interrupted, and does not count as an attempt"
	}
	return call + said
}

// storedText says under which name Webflow stored the asset, if relabel knows.
func storedText(r records.ToldRename) string {
	switch {
	case r.AppliedName == nil || r.DisplayName == nil:
		return "; it succeeded"
	case *r.AppliedName != *r.DisplayName:
		return "; stored as " + quoted(*r.AppliedName) + ", not as asked"
	}
	return "; stored as asked"
}

func delayText(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return " after " + took(*d)
}

// took formats a duration that may be shorter than a second.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(d.Round(time.Millisecond), time.Millisecond).Milliseconds())
	}
	if d < 10*time.Second {
		return fmt.Sprintf("%.2g s", d.Seconds())
	}
	return text.Span(d)
}

func lostText(n int) string {
	if n == 1 {
		return "a process claimed the row but ended before it recorded an answer; the call may have been made"
	}
	return fmt.Sprintf("processes claimed the row %d times but ended before they recorded an answer; calls may have been made", n)
}

func endedText(r records.ToldRename) string {
	switch r.Status {
	case db.RowSuperseded:
		return "superseded" + byText(r) + ": the newer row wins"
	case db.RowUnchanged:
		return "unchanged: the asset already had the value, so no call was made"
	case db.RowCancelled:
		switch {
		case r.CancelledAt != nil && r.Attempts > 0:
			return "cancelled individually before it was sent again"
		case r.CancelledAt != nil:
			return "cancelled individually before it was sent"
		}
		return "cancelled with its batch"
	case db.RowSucceeded:
		return "succeeded"
	}
	if r.Error != nil {
		return string(r.Status) + ": " + text.Line(*r.Error)
	}
	return string(r.Status)
}

func byText(r records.ToldRename) string {
	switch {
	case r.ByBatch == nil || r.ByLine == nil:
		return ""
	case r.ByName == nil:
		return fmt.Sprintf(" by line %d of batch %d", *r.ByLine, *r.ByBatch)
	}
	return fmt.Sprintf(" by line %d of batch %d, which asks for %s", *r.ByLine, *r.ByBatch, quoted(*r.ByName))
}

// nowText says what an open row waits for. A claim checks in the same order.
func nowText(r records.ToldRename, now, unknownUntil time.Time) string {
	batch := fmt.Sprint(r.Batch)
	switch {
	case r.Planned:
		return "planned: `relabel apply " + batch + "` sends it"
	case r.Status == db.RowSending && r.LeaseUntil != nil && r.LeaseUntil.After(now):
		return "its call is in flight"
	case r.Status == db.RowSending:
		return "its process ended during the call; a worker takes it over"
	case r.BatchStatus == db.BatchCancelled:
		return "its batch is cancelled; the row ends in a moment"
	case r.BatchStatus == db.BatchPaused:
		return "waits: its batch is paused" + reason(r.BatchReason) + "; `relabel batch resume " + batch + "` resumes it"
	case r.ParkedReason != nil:
		return "waits: the site is parked: " + text.Line(*r.ParkedReason) + ThenResume(r.Site)
	case r.SitePaused:
		return "waits: the site is paused; `relabel site resume" + SiteFlag(r.Site) + "` resumes it"
	case !r.Worked:
		return "waits: no worker is running; `relabel work --until-done" + SiteFlag(r.Site) + "` sends it"
	case r.NotBefore != nil && r.NotBefore.After(now):
		return "waits for a retry in " + text.Span(r.NotBefore.Sub(now))
	case unknownUntil.After(now):
		return "waits " + text.Span(unknownUntil.Sub(now)) + " " + becauseUnknown
	case r.BreakerError != nil:
		return "waits: " + failing(text.Line(*r.BreakerError))
	case r.LaneUntil != nil:
		return "waits " + text.Span(r.LaneUntil.Sub(now)) + " " + because429
	}
	return "waits for its turn: " + aheadText(r.Ahead) + refusedText(r.RefusedIn)
}

func refusedText(in *string) string {
	if in == nil {
		return ""
	}
	return "; " + Refused(*in)
}

func aheadText(n int64) string {
	switch {
	case n == 0:
		return "it is the first of its batch"
	case n >= records.MaxAhead:
		return "more than " + text.Number(n) + " rows of its batch come before it"
	}
	return text.Plural(n, "row of its batch comes", "rows of its batch come") + " before it"
}
