package throttle

import (
	"context"
	"slices"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/records"
)

// As in db.
const (
	grantsKept = db.MaxWindow
	sharedFor  = time.Hour
)

// model is the log of grants of one lane in memory. It does in plain Go what db's SQL
// does. TestLogIsItsModel compares the two.
type model struct {
	now    func() time.Time
	window time.Duration

	mu          sync.Mutex
	limit       int // 0: none
	ceiling     int // 0: none
	blocked     time.Time
	sharedUntil time.Time
	apiLimit    int
	apiUsed     int
	apiUntil    time.Time
	grants      []modelGrant
	lastID      int64
	taken       time.Duration // by all grants that are forgotten
}

type modelGrant struct {
	id      int64
	granted time.Time
	expires time.Time
}

func newModel(limit int, window time.Duration) *model {
	return &model{now: time.Now, limit: limit, window: window}
}

func (m *model) Grant(_ context.Context, p db.GrantParams) (db.Grants, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.forget(func(g modelGrant) bool { return g.expires.Before(now.Add(-grantsKept)) }, now)
	out := db.Grants{Limit: m.limit}
	if m.blocked.After(now) {
		out.Blocked, out.Wait = true, m.blocked.Sub(now)
		return out, nil
	}
	if m.limit == 0 {
		return out, nil
	}
	room, wait := m.room(now)
	for range min(p.Want, room) {
		m.lastID++
		out.IDs = append(out.IDs, m.lastID)
		m.grants = append(m.grants, modelGrant{id: m.lastID, granted: now, expires: now.Add(p.Hold + m.window)})
	}
	if len(out.IDs) < p.Want {
		out.Wait = wait
	}
	return out, nil
}

// room returns how many more grants there is room for, and when there may be more.
func (m *model) room(now time.Time) (room int, wait time.Duration) {
	room, wait = m.limit-m.counting(now), m.window
	for _, g := range m.grants {
		if g.expires.After(now) {
			wait = min(wait, g.expires.Sub(now))
		}
	}
	if m.heedsAPI(now) {
		flying := m.counting(now.Add(m.window))
		room = min(room, m.apiLimit-m.apiUsed-flying)
		wait = min(wait, m.apiUntil.Sub(now))
	}
	return room, wait
}

// counting returns how many grants count at a moment.
func (m *model) counting(at time.Time) (n int) {
	for _, g := range m.grants {
		if g.expires.After(at) {
			n++
		}
	}
	return n
}

func (m *model) heedsAPI(now time.Time) bool {
	return m.sharedUntil.After(now) && m.apiUntil.After(now)
}

func (m *model) forget(which func(modelGrant) bool, now time.Time) {
	m.grants = slices.DeleteFunc(m.grants, func(g modelGrant) bool {
		if !which(g) {
			return false
		}
		m.taken += max(earlier(g.expires, now).Sub(g.granted), 0)
		return true
	})
}

func (m *model) ReleaseGrants(_ context.Context, ids []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(func(g modelGrant) bool { return slices.Contains(ids, g.id) }, m.now())
	return nil
}

func (m *model) Observe(_ context.Context, _ string, seen []db.Observation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit == 0 {
		return nil
	}
	now, used, newest, others := m.now(), 0, seen[0], false
	for _, o := range seen {
		n := o.Limit - o.Remaining
		others = others || o.Refused && o.Remaining == 0 || n > m.counting(now.Add(-seconds(o.SentAgo+1)))
		used = max(used, n)
		if o.SentAgo < newest.SentAgo {
			newest = o
		}
	}
	if others {
		m.sharedUntil = now.Add(sharedFor)
	}
	limit := newest.Limit
	if m.ceiling > 0 {
		limit = min(limit, m.ceiling)
	}
	if !m.sharedUntil.After(now) && limit == m.limit {
		return nil
	}
	m.limit, m.apiLimit = limit, newest.Limit
	if m.apiUntil.After(now) {
		m.apiUsed = max(m.apiUsed, used)
	} else {
		m.apiUsed, m.apiUntil = used, now.Add(m.window)
	}
	return nil
}

func (m *model) BlockLane(_ context.Context, _ string, d time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if until := m.now().Add(d); until.After(m.blocked) {
		m.blocked = until
	}
	m.apiUntil = m.blocked
	return nil
}

// settle does what db.Finish does to the log of grants.
func (m *model) settle(id int64, answeredAgo time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, g := range m.grants {
		if g.id == id {
			m.grants[i].expires = m.now().Add(m.window - answeredAgo)
			m.taken += max(answeredAgo-m.window, 0) // it counted until now
		}
	}
}

// setWindow changes the window of all grants.
func (m *model) setWindow(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.grants {
		m.grants[i].expires = m.grants[i].expires.Add(d - m.window)
	}
	m.window = d
}

func (m *model) state() records.LaneState {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	ours := m.counting(now)
	s := records.LaneState{Limit: m.limit, Window: m.window, Blocked: max(m.blocked.Sub(now), 0)}
	if m.heedsAPI(now) {
		s.Foreign = max(m.apiUsed-ours, 0)
	}
	s.Used = ours + s.Foreign
	return s
}

// counts reports whether a grant counts.
func (m *model) counts(id int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	return slices.ContainsFunc(m.grants, func(g modelGrant) bool { return g.id == id && g.expires.After(now) })
}

// use returns the share of the limit that was used from start until end.
func (m *model) use(start, end time.Time) float64 {
	m.forget(func(modelGrant) bool { return true }, end)
	return float64(m.taken) / float64(m.limit) / float64(end.Sub(start))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
