package web

import "sync"

// allowance limits what sessions may have at once. What is left between all and look is
// kept for sessions that may change things.
type allowance struct {
	all      int // all sessions together
	look     int // all read-only sessions together
	each     int // one session
	eachLook int // one read-only session
}

// quota counts what sessions have at once, such as streams.
type quota struct {
	limit allowance

	mu        sync.Mutex
	all       int
	look      int
	bySession map[*session]int
}

func newQuota(limit allowance) *quota { return &quota{limit: limit, bySession: map[*session]int{}} }

// take takes one for a session. It returns false if the session must wait.
func (q *quota) take(who *session) (release func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	each, look := q.limit.each, who.role() == RoleLook
	if look {
		each = q.limit.eachLook
		if q.look >= q.limit.look {
			return nil, false
		}
	}
	if q.all >= q.limit.all || q.bySession[who] >= each {
		return nil, false
	}
	q.add(who, look, 1)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.add(who, look, -1)
	}, true
}

func (q *quota) add(who *session, look bool, n int) {
	q.all += n
	if look {
		q.look += n
	}
	if q.bySession[who] += n; q.bySession[who] == 0 {
		delete(q.bySession, who)
	}
}
