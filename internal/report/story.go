package report

import (
	"context"
	"maps"
	"slices"
	"time"

	"relabel/db"
	"relabel/internal/records"
)

const (
	// shortWait is the longest wait that a story leaves out: a claim's way to the
	// database, a job's way through River.
	shortWait = time.Second

	// clockSkew is how far the clocks of two processes may differ: a shorter overlap
	// of two times proves nothing.
	clockSkew = 100 * time.Millisecond
)

// StoryEvent is one line of a story. Until is the end of a wait or of a call.
type StoryEvent struct {
	At         time.Time  `json:"at"`
	Until      *time.Time `json:"until"`
	Kind       string     `json:"kind"` // asked, held, waited, called, lost, retried, cancelled, ended, now
	Text       string     `json:"text"`
	RenameID   int64      `json:"rename_id"` // 0: about the asset, not one row
	Batch      int64      `json:"batch"`
	Line       int64      `json:"line"`
	LocaleID   string     `json:"locale_id"`
	HTTPStatus *int       `json:"http_status"`
	Outcome    db.Outcome `json:"outcome,omitempty"` // of a call
	ProcessID  string     `json:"process_id,omitempty"`
}

// Story is everything that happened to an asset, or to one row, in order of time.
type Story struct {
	Sites   []string      `json:"sites"`
	AssetID string        `json:"asset_id"`
	Rows    []records.Row `json:"rows"`
	Events  []StoryEvent  `json:"events"`
	More    bool          `json:"more"` // older rows exist but were left out
	Now     time.Time     `json:"now"`
}

// ReadStory reads the history of an asset or a row and makes a story of it.
func ReadStory(ctx context.Context, d *db.DB, p records.StoryParams) (Story, error) {
	history, err := records.Story(ctx, d, p)
	if err != nil {
		return Story{}, err
	}
	return newStory(history), nil
}

func newStory(h records.History) Story {
	s := Story{AssetID: h.Renames[0].AssetID, More: h.More, Now: h.Now}
	for _, r := range h.Renames {
		row := rowStory{r: r, now: h.Now, stops: stopsOf(r.ID, h.Events, h.Now)}
		row.addAll(attemptsOf(r.ID, h.Attempts))
		if !slices.Contains(s.Sites, r.Site) {
			s.Sites = append(s.Sites, r.Site)
		}
		s.Rows, s.Events = append(s.Rows, r.Row), append(s.Events, row.events...)
	}
	for _, seen := range h.Seen {
		s.Events = append(s.Events, StoryEvent{At: seen.ReadAt, Kind: "held", Text: seenText(seen), LocaleID: seen.LocaleID})
	}
	slices.SortStableFunc(s.Events, func(a, b StoryEvent) int { return a.At.Compare(b.At) })
	return s
}

func attemptsOf(id int64, all []records.Attempt) []records.Attempt {
	return slices.DeleteFunc(slices.Clone(all), func(a records.Attempt) bool { return a.RenameID != id })
}

// stop is a time during which something kept a row from being sent.
type stop struct {
	from, to time.Time
	text     string
	unknown  bool // an earlier call for the asset might still take effect
}

// stopsOf pairs each event that stopped a row with the event that ended it.
func stopsOf(id int64, events []records.Event, now time.Time) (stops []stop) {
	open := map[records.EventKind]stop{} // by the event that will end it
	for _, e := range events {
		if e.RenameID != id {
			continue
		}
		if e.Until != nil { // a stopped lane, or a call whose outcome is unknown
			stops = append(stops, stop{from: e.At, to: *e.Until, text: stopText(e), unknown: e.Kind == records.EventCallUnknown})
			continue
		}
		if s, ok := open[e.Kind]; ok {
			s.to = e.At
			stops = append(stops, s)
			delete(open, e.Kind)
		}
		if end := endOf(e.Kind); end != "" {
			open[end] = stop{from: e.At, to: now, text: stopText(e)}
		}
	}
	return slices.AppendSeq(stops, maps.Values(open))
}

// endOf returns the event that ends the stop that another event begins.
func endOf(kind records.EventKind) records.EventKind {
	switch kind {
	case records.EventBatchPaused:
		return records.EventBatchResumed
	case records.EventSitePaused:
		return records.EventSiteResumed
	case records.EventSiteParked:
		return records.EventSiteUnparked
	case records.EventBreakerOpened:
		return records.EventBreakerClosed
	}
	return ""
}

// rowStory collects the events of one row.
type rowStory struct {
	r      records.ToldRename
	now    time.Time
	stops  []stop
	events []StoryEvent
	from   time.Time // start of the wait for the next call
}

func (st *rowStory) add(e StoryEvent) {
	e.RenameID, e.Batch, e.Line, e.LocaleID = st.r.ID, st.r.Batch, st.r.Line, st.r.LocaleID
	st.events = append(st.events, e)
}

func (st *rowStory) addAll(attempts []records.Attempt) {
	st.from = st.r.CreatedAt
	if st.r.AcceptedAt != nil {
		st.from = *st.r.AcceptedAt
	}
	asked := st.from
	if f := st.r.FinishedAt; f != nil {
		asked = earlier(asked, *f) // the load ended the row before the batch was accepted
	}
	st.add(StoryEvent{At: asked, Kind: "asked", Text: askedText(st.r)})
	if st.r.BeforeAt != nil {
		st.add(StoryEvent{At: *st.r.BeforeAt, Kind: "held", Text: beforeText(st.r)})
	}
	fence := 0
	for _, a := range attempts {
		st.addRetry(a.SentAt)
		st.addWaits(a.SentAt)
		st.addLost(a.Fence-fence-1, a.SentAt)
		st.addCall(a)
		fence = a.Fence
	}
	st.addRetry(st.now)
	st.addEnd(fence, len(attempts) > 0)
}

// addRetry adds the last retry if it was before at. Only the last one is stored:
// an earlier one shows only as another call after a final answer.
func (st *rowStory) addRetry(at time.Time) {
	if r := st.r.RetriedAt; r != nil && !r.Before(st.from) && r.Before(at) {
		st.add(StoryEvent{At: *r, Kind: "retried", Text: "a retry made it pending again and reset its attempts"})
		st.from = *r
		st.r.RetriedAt = nil
	}
}

func (st *rowStory) addCall(a records.Attempt) {
	end := a.SentAt.Add(a.Duration)
	st.add(StoryEvent{
		At: a.SentAt, Until: &end, Kind: "called", Text: calledText(st.r, a), HTTPStatus: a.HTTPStatus, Outcome: a.Outcome,
		ProcessID: a.ProcessID,
	})
	st.from = end
	if a.Delay != nil {
		st.stops = append(st.stops, stop{from: end, to: end.Add(*a.Delay), text: "for a retry after a failed call"})
	}
}

// unknownUntil is the time until which an earlier call might still take effect.
func (st *rowStory) unknownUntil() (until time.Time) {
	for _, s := range st.stops {
		if s.unknown {
			until = later(until, s.to)
		}
	}
	return until
}

// addLost adds the claims for which no answer was recorded.
func (st *rowStory) addLost(n int, at time.Time) {
	if n > 0 {
		st.add(StoryEvent{At: at, Kind: "lost", Text: lostText(n)})
	}
}

// addEnd adds how the row ended, or what it waits for now.
func (st *rowStory) addEnd(fence int, called bool) {
	r := st.r
	if c := r.CancelledAt; c != nil && (r.FinishedAt == nil || c.Before(*r.FinishedAt)) {
		st.add(StoryEvent{At: *c, Kind: "cancelled", Text: "cancelled while its call was in flight; it will not be retried"})
	}
	if r.FinishedAt == nil {
		if r.Status == db.RowPending {
			st.addLost(r.Fence-fence, st.now)
			st.addWaits(st.now)
		}
		st.add(StoryEvent{At: st.now, Kind: "now", Text: nowText(r, st.now, st.unknownUntil())})
		return
	}
	if called && (r.Status == db.RowSucceeded || r.Status == db.RowFailed) {
		return // the last call says it already
	}
	st.addLost(r.Fence-fence, *r.FinishedAt)
	if r.Status != db.RowInvalid && r.Status != db.RowUnchanged {
		st.addWaits(*r.FinishedAt)
	}
	st.add(StoryEvent{At: *r.FinishedAt, Kind: "ended", Text: endedText(r)})
}

// addWaits adds what kept the row from being sent until a moment: the known
// stops, and between them the wait for its turn.
func (st *rowStory) addWaits(to time.Time) {
	from := st.from
	if to.Sub(from) < shortWait {
		return
	}
	stops := slices.DeleteFunc(slices.Clone(st.stops), func(s stop) bool {
		return earlier(s.to, to).Sub(later(s.from, from)) < clockSkew
	})
	slices.SortFunc(stops, func(a, b stop) int { return a.from.Compare(b.from) })
	for _, s := range stops {
		st.addTurn(from, earlier(s.from, to))
		st.addWait(later(s.from, st.from), earlier(s.to, to), s.text)
		from = later(from, s.to)
	}
	st.addTurn(from, to)
}

func (st *rowStory) addTurn(from, to time.Time) {
	if to.Sub(from) < shortWait {
		return
	}
	if st.r.Planned {
		st.addWait(from, to, "for the plan to be applied")
		return
	}
	st.addWait(from, to, "for its turn behind earlier rows, within the rate limit")
}

func (st *rowStory) addWait(from, to time.Time, text string) {
	if !from.Before(to) {
		return
	}
	st.add(StoryEvent{At: from, Until: &to, Kind: "waited", Text: "waited " + took(to.Sub(from)) + " " + text})
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
