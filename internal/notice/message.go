package notice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
)

// message is the JSON that is posted. Slack and similar services show Text.
type message struct {
	Text     string          `json:"text"`
	ID       int64           `json:"id"` // the same for each try
	Event    string          `json:"event"`
	Schedule string          `json:"schedule"` // empty: it is about the site or a batch
	Site     string          `json:"site"`
	Detail   string          `json:"detail"`
	At       time.Time       `json:"at"`
	Run      *scheduledb.Run `json:"run"`   // its state at the time of the post
	Batch    *batch          `json:"batch"` // the same

	subject string // Text without markup, on one line
	sentAt  time.Time
}

// batch is the batch of a notice, with the names of `status --json`.
type batch struct {
	Batch      int64          `json:"batch"`
	Name       string         `json:"name"`
	Status     db.BatchStatus `json:"status"`
	Total      int64          `json:"total"`
	Pending    int64          `json:"pending"`
	Sending    int64          `json:"sending"`
	Succeeded  int64          `json:"succeeded"`
	Failed     int64          `json:"failed"`
	Superseded int64          `json:"superseded"`
	Unchanged  int64          `json:"unchanged"`
	Conflict   int64          `json:"conflict"`
	Cancelled  int64          `json:"cancelled"`
	Invalid    int64          `json:"invalid"`
	Calls      int64          `json:"calls"`
	StartedAt  *time.Time     `json:"started_at"`
	FinishedAt *time.Time     `json:"finished_at"`
}

// message is the notice as it is sent, with the present state of its run or batch.
func (c Config) message(ctx context.Context, n notice) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	m := messageOf(n)
	if n.RunID != nil {
		if run, err := scheduledb.RunByID(ctx, c.DB, *n.RunID); err == nil { // else it was pruned
			m.Run = &run
		}
	}
	if n.BatchID == nil {
		return m, nil
	}
	b, err := records.Batch(ctx, c.DB, *n.BatchID)
	if _, gone := errors.AsType[db.NoBatchError](err); gone {
		return m, nil
	}
	m.Batch = &batch{
		Batch: b.Batch, Name: b.Name, Status: b.Status, Total: b.Total, Pending: b.Pending, Sending: b.Sending, Succeeded: b.Succeeded,
		Failed: b.Failed, Superseded: b.Superseded, Unchanged: b.Unchanged, Conflict: b.Conflict, Cancelled: b.Cancelled,
		Invalid: b.Invalid, Calls: b.Calls, StartedAt: b.StartedAt, FinishedAt: b.FinishedAt,
	}
	return m, err
}

func messageOf(n notice) message {
	subject := fmt.Sprintf("relabel: %s %s", about(n), happened(n))
	if n.Detail != "" {
		subject += ": " + n.Detail
	}
	return message{
		// A source or an API must not be able to send Slack markup.
		Text: strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(subject),
		ID:   n.ID, Event: n.Event, Schedule: n.Schedule, Site: n.Site, Detail: n.Detail, At: n.CreatedAt,
		subject: subject, sentAt: n.Now,
	}
}

// about names the subject of the sentence.
func about(n notice) string {
	switch {
	case n.Schedule != "":
		return fmt.Sprintf("%s (site %s)", n.Schedule, n.Site)
	case n.BatchID != nil:
		return fmt.Sprintf("batch %d, %s (site %s)", *n.BatchID, n.BatchName, n.Site)
	}
	return "site " + n.Site
}

// happened is the rest of the sentence.
func happened(n notice) string {
	if n.Schedule != "" && n.Event == "parked" {
		return "waits: the site is parked"
	}
	return map[string]string{
		// of a schedule
		"failed": "failed", "recovered": "works again", "held": "is held back", "missed": "was missed",
		// of a schedule or a batch
		"trouble": "ended, but not every row succeeded",
		// of a batch
		"done": "is done", "paused": "is paused",
		// of a site
		"parked": "is parked: the API refuses the token", "resumed": "is not parked any more",
		"breaker_open":   "fails: relabel makes only one call every 5 s until one succeeds",
		"breaker_closed": "answers again", "stalled": "has stalled", "working": "has a worker again",
	}[n.Event]
}
