package jobs

import (
	"context"
	"errors"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/webflow"
)

const (
	// maxFailures is how many real failures a rename may have. With the back-off below
	// the tenth comes about seven minutes after the first, thirteen at most. That covers
	// short outages; a longer one opens the breaker.
	maxFailures = 10

	// A 409 is a race with another writer, and a 200 for another asset is a broken
	// cache. Both pass quickly or not at all.
	maxConflicts   = 3 + 1 // retried three times
	maxWrongAssets = 2 + 1 // retried twice

	// Back-off after the n-th failure: full jitter below 2 s doubling to 5 min.
	firstBackoff = 2 * time.Second
	lastBackoff  = 5 * time.Minute

	// laneWait is how long a 429 without Retry-After blocks the lane: Webflow's window.
	laneWait = time.Minute

	// minLaneWait is for a 429 with a Retry-After of 0: without a wait the same call would
	// be repeated as fast as the API can refuse it.
	minLaneWait = time.Second
)

// outcome is what an answer means for its rename, its lane and its site.
type outcome struct {
	Name    db.Outcome    // of the attempt
	Status  db.RowStatus  // the rename's: succeeded, failed, or pending to be sent again
	Delay   time.Duration // before it is sent again
	Failure bool          // counts against maxFailures
	Health  db.Health     // of the API; too many ill answers in a row open the breaker
	Unknown bool          // the call might still land
	Block   time.Duration // how long the lane is blocked, in every process
	Park    string        // parks the site: why, and what to do
}

// decide is the one place that says what an answer means. failures counts the rename's
// earlier real failures; jitter is a random number in [0, 1).
func decide(err error, failures int, jitter float64) outcome {
	if err == nil {
		return outcome{Name: db.OutcomeSucceeded, Status: db.RowSucceeded, Health: db.Well}
	}
	var e *webflow.Error
	if !errors.As(err, &e) {
		return fail()
	}
	if errors.Is(err, context.Canceled) { // a hard stop, or a right that ran out: not the row's doing
		return outcome{Name: db.OutcomeInterrupted, Status: db.RowPending, Unknown: e.Kind == webflow.KindUnknown}
	}
	switch e.Kind {
	case webflow.KindRateLimited:
		return outcome{Name: db.OutcomeRateLimited, Status: db.RowPending, Health: db.Well, Block: max(retryAfter(e, laneWait), minLaneWait)}
	case webflow.KindUnauthorized, webflow.KindForbidden:
		return outcome{Name: db.OutcomeParked, Status: db.RowPending, Health: db.Well, Park: parkReason(e)}
	case webflow.KindConflict:
		return retry(e, failures, maxConflicts, jitter).is(db.Well)
	case webflow.KindWrongAsset:
		return retry(e, failures, maxWrongAssets, jitter).is(db.Well)
	case webflow.KindUnavailable, webflow.KindUnknown:
		o := retry(e, failures, maxFailures, jitter).is(db.Ill)
		o.Unknown = true // a gateway may give up on a call that goes on behind it
		return o
	case webflow.KindNotSent, webflow.KindBadAnswer:
		return retry(e, failures, maxFailures, jitter).is(db.Ill)
	}
	return fail().is(db.Well)
}

func fail() outcome {
	return outcome{Name: db.OutcomeFailed, Status: db.RowFailed, Failure: true}
}

func retry(e *webflow.Error, failures, limit int, jitter float64) outcome {
	if failures+1 >= limit {
		return fail()
	}
	delay := max(backoff(failures, jitter), retryAfter(e, 0))
	return outcome{Name: db.OutcomeRetry, Status: db.RowPending, Delay: delay, Failure: true}
}

func (o outcome) is(h db.Health) outcome {
	o.Health = h
	return o
}

// probed is the outcome for a probe, the one call that an open breaker lets through. A
// failure costs the row no attempt; the breaker decides when the next probe is sent.
func (o outcome) probed() outcome {
	if o.Health == db.Ill {
		o.Status, o.Delay, o.Failure = db.RowPending, 0, false
	}
	return o
}

// backoff is the wait after so many earlier failures. It has full jitter, so that rows
// that failed together are not sent again together.
func backoff(failures int, jitter float64) time.Duration {
	limit := lastBackoff
	if failures < 8 { // 2 s doubled eight times is above 5 min
		limit = min(firstBackoff<<failures, lastBackoff)
	}
	return time.Duration(jitter * float64(limit))
}

// retryAfter is the wait that the answer (a 429 or a 503) asked for.
func retryAfter(e *webflow.Error, otherwise time.Duration) time.Duration {
	if e.Meta.RetryAfter.Present {
		return e.Meta.RetryAfter.After
	}
	return otherwise
}

func parkReason(e *webflow.Error) string {
	what, todo := "the API refused the token (401)", "set a working token of this site"
	if e.Kind == webflow.KindForbidden {
		what, todo = "the token may not do this (403)", "give the token the scope assets:write"
	}
	if e.Message != "" {
		what += ": " + e.Message
	}
	return what + "; " + todo
}

// finishOf makes the record of a call and its outcome.
func finishOf(c db.Claim, asset webflow.Asset, meta webflow.Meta, err error, o outcome) db.Finish {
	f := db.Finish{
		RenameID: c.RenameID, Fence: c.Fence, Status: o.Status, Outcome: o.Name, Called: true,
		Delay: o.Delay.Seconds(), Failure: o.Failure, Health: o.Health, Unknown: o.Unknown, Duration: meta.Duration.Seconds(),
	}
	if meta.Status != 0 {
		f.HTTPStatus = &meta.Status
	}
	var e *webflow.Error
	switch {
	case err == nil:
		name := cut(storable(asset.DisplayName), maxAppliedName)
		f.AppliedName, f.LastUpdated = &name, storableTime(asset.LastUpdated.Time)
	case errors.As(err, &e):
		f.Code, f.Message = e.Code, e.Message
		if f.Message == "" {
			f.Message = e.Kind.String()
		}
	default:
		f.Message = err.Error()
	}
	return f
}

// maxAppliedName bounds the name of an answer, in bytes. It is the longest name that
// intake accepts; an answer may hold anything.
const maxAppliedName = 4 << 10

// storable makes text fit for PostgreSQL's text and json: valid UTF-8 without NUL. An
// answer that can't be stored would be asked for again and again.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

// cut shortens text to at most limit bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// storableTime is in UTC, as PostgreSQL takes no zone beyond 15:59, and nil for
// a year it doesn't know.
func storableTime(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return &t
}
