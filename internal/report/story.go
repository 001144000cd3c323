package report

import (
	"context"
	"slices"
	"time"

	"relabel/db"
)

// shortWait is what is not worth telling: a claim's way to the database, a
// job's way through River.
const shortWait = time.Second

// StoryEvent is one line of a story. Until is the end of a wait or a call.
type StoryEvent struct {
	At         time.Time  `json:"at"`
	Until      *time.Time `json:"until"`
	Kind       string     `json:"kind"` // asked, held, waited, called, lost, retried, cancelled, ended, now
	Text       string     `json:"text"`
	RenameID   int64      `json:"rename_id"` // 0: of the asset, not of one row
	Batch      int64      `json:"batch"`
	Line       int64      `json:"line"`
	LocaleID   string     `json:"locale_id"`
	HTTPStatus *int       `json:"http_status"`
	Outcome    string     `json:"outcome,omitempty"` // of a call
	ProcessID  string     `json:"process_id,omitempty"`
}

// Story is what happened to an asset, or to one row, in the order of time.
type Story struct {
	Sites   []string     `json:"sites"`
	AssetID string       `json:"asset_id"`
	Rows    []db.Row     `json:"rows"`
	Events  []StoryEvent `json:"events"`
	More    bool         `json:"more"` // there are older rows, which were left out
	Now     time.Time    `json:"now"`
}

// ReadStory reads and tells a story.
func ReadStory(ctx context.Context, d *db.DB, p db.StoryParams) (Story, error) {
	facts, err := d.History(ctx, p)
	if err != nil {
		return Story{}, err
	}
	return NewStory(facts), nil
}

// NewStory puts facts in order.
func NewStory(f db.History) Story {
	s := Story{AssetID: f.Renames[0].AssetID, More: f.More, Now: f.Now}
	for _, r := range f.Renames {
		t := teller{r: r, now: f.Now}
		t.spans = spansOf(r.ID, f.Events, f.Now)
		t.tell(attemptsOf(r.ID, f.Attempts))
		if !slices.Contains(s.Sites, r.Site) {
			s.Sites = append(s.Sites, r.Site)
		}
		s.Rows, s.Events = append(s.Rows, r.Row), append(s.Events, t.events...)
	}
	for _, seen := range f.Seen {
		s.Events = append(s.Events, StoryEvent{At: seen.ReadAt, Kind: "held", Text: seenText(seen), LocaleID: seen.LocaleID})
	}
	slices.SortStableFunc(s.Events, func(a, b StoryEvent) int { return a.At.Compare(b.At) })
	return s
}

func attemptsOf(id int64, all []db.Attempt) []db.Attempt {
	return slices.DeleteFunc(slices.Clone(all), func(a db.Attempt) bool { return a.RenameID != id })
}

// span is a time in which something kept a row from being sent.
type span struct {
	from, to time.Time
	text     string
	unknown  bool // another call for the asset might land
}

// spansOf pairs what stopped a row with what let it go on.
func spansOf(id int64, events []db.Event, now time.Time) (spans []span) {
	begun := map[string]span{} // by what ends it
	for _, e := range events {
		if e.RenameID != id {
			continue
		}
		if e.Until != nil { // a stopped lane, or a call whose outcome is unknown
			spans = append(spans, span{from: e.At, to: *e.Until, text: stopText(e), unknown: e.Kind == db.CallUnknown})
			continue
		}
		if s, ok := begun[e.Kind]; ok {
			s.to = e.At
			spans = append(spans, s)
			delete(begun, e.Kind)
		}
		if end := endOf(e.Kind); end != "" {
			begun[end] = span{from: e.At, to: now, text: stopText(e)}
		}
	}
	for _, s := range begun {
		spans = append(spans, s)
	}
	return spans
}

// endOf is the event that ends what another one begins.
func endOf(kind string) string {
	switch kind {
	case "batch paused":
		return "batch resumed"
	case "site paused":
		return "site resumed"
	case "site parked":
		return "site unparked"
	case "breaker opened":
		return "breaker closed"
	}
	return ""
}

// teller tells of one rename.
type teller struct {
	r      db.ToldRename
	now    time.Time
	spans  []span
	events []StoryEvent
	from   time.Time // since when it waits for its next call
}

func (t *teller) add(e StoryEvent) {
	e.RenameID, e.Batch, e.Line, e.LocaleID = t.r.ID, t.r.Batch, t.r.Line, t.r.LocaleID
	t.events = append(t.events, e)
}

func (t *teller) tell(attempts []db.Attempt) {
	t.from = t.r.CreatedAt
	if t.r.AcceptedAt != nil {
		t.from = *t.r.AcceptedAt
	}
	asked := t.from
	if f := t.r.FinishedAt; f != nil {
		asked = earlier(asked, *f) // the load ended it before the batch was accepted
	}
	t.add(StoryEvent{At: asked, Kind: "asked", Text: askedText(t.r)})
	if t.r.BeforeAt != nil {
		t.add(StoryEvent{At: *t.r.BeforeAt, Kind: "held", Text: beforeText(t.r)})
	}
	fence := 0
	for _, a := range attempts {
		t.retriedBefore(a.SentAt)
		t.waited(a.SentAt)
		t.lost(a.Fence-fence-1, a.SentAt)
		t.called(a)
		fence = a.Fence
	}
	t.retriedBefore(t.now)
	t.end(fence, len(attempts) > 0)
}

// retriedBefore tells of the last retry in its place; earlier ones leave no
// trace but another call after a final one.
func (t *teller) retriedBefore(at time.Time) {
	if r := t.r.RetriedAt; r != nil && !r.Before(t.from) && r.Before(at) {
		t.add(StoryEvent{At: *r, Kind: "retried", Text: "made pending again by a retry, with all its attempts"})
		t.from = *r
		t.r.RetriedAt = nil
	}
}

func (t *teller) called(a db.Attempt) {
	end := a.SentAt.Add(a.Duration)
	t.add(StoryEvent{
		At: a.SentAt, Until: &end, Kind: "called", Text: calledText(t.r, a), HTTPStatus: a.HTTPStatus, Outcome: a.Outcome,
		ProcessID: a.ProcessID,
	})
	t.from = end
	if a.Delay != nil {
		t.spans = append(t.spans, span{from: end, to: end.Add(*a.Delay), text: "for its next try, after a failure"})
	}
}

// unknownUntil is until when another call for the asset might land.
func (t *teller) unknownUntil() (until time.Time) {
	for _, s := range t.spans {
		if s.unknown {
			until = later(until, s.to)
		}
	}
	return until
}

// lost tells of claims that came to no end.
func (t *teller) lost(n int, at time.Time) {
	if n > 0 {
		t.add(StoryEvent{At: at, Kind: "lost", Text: lostText(n)})
	}
}

// end tells how it ended, or what it waits for.
func (t *teller) end(fence int, called bool) {
	r := t.r
	if c := r.CancelledAt; c != nil && (r.FinishedAt == nil || c.Before(*r.FinishedAt)) {
		t.add(StoryEvent{At: *c, Kind: "cancelled", Text: "cancelled while its call was in flight: it is not tried again"})
	}
	if r.FinishedAt == nil {
		if r.Status == "pending" {
			t.lost(r.Fence-fence, t.now)
			t.waited(t.now)
		}
		t.add(StoryEvent{At: t.now, Kind: "now", Text: nowText(r, t.now, t.unknownUntil())})
		return
	}
	if called && (r.Status == "succeeded" || r.Status == "failed") {
		return // the last call has told it
	}
	t.lost(r.Fence-fence, *r.FinishedAt)
	if r.Status != "invalid" && r.Status != "unchanged" {
		t.waited(*r.FinishedAt)
	}
	t.add(StoryEvent{At: *r.FinishedAt, Kind: "ended", Text: endedText(r)})
}

// waited tells what kept the row until a moment: all that is known, and
// otherwise that it was not its turn.
func (t *teller) waited(to time.Time) {
	from := t.from
	if to.Sub(from) < shortWait {
		return
	}
	const told = 100 * time.Millisecond // less is how exact two processes' times are
	spans := slices.DeleteFunc(slices.Clone(t.spans), func(s span) bool {
		return earlier(s.to, to).Sub(later(s.from, from)) < told
	})
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	for _, s := range spans {
		t.turn(from, earlier(s.from, to))
		t.wait(later(s.from, t.from), earlier(s.to, to), s.text)
		from = later(from, s.to)
	}
	t.turn(from, to)
}

func (t *teller) turn(from, to time.Time) {
	if to.Sub(from) < shortWait {
		return
	}
	if t.r.Planned {
		t.wait(from, to, "for the plan to be applied")
		return
	}
	t.wait(from, to, "for its turn: rows before it, within the limit")
}

func (t *teller) wait(from, to time.Time, text string) {
	if !from.Before(to) {
		return
	}
	t.add(StoryEvent{At: from, Until: &to, Kind: "waited", Text: "waited " + took(to.Sub(from)) + " " + text})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
