package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"sync/atomic"
	"time"

	"relabel/internal/people"
)

const (
	sessionIdle = 12 * time.Hour     // one working day
	sessionLife = 7 * 24 * time.Hour // even if it is used all the time
	maxSessions = 1000

	refusalEvery = time.Minute // the audit log gets at most one refusal of a session in it
)

// newSecret returns 256 random bits as text.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// session is a person who has logged in.
type session struct {
	id int64 // names it on the page of sessions
	login
	roleNow atomic.Value // a Role
	created time.Time
	seen    time.Time // guarded by sessions.mu

	ctx context.Context //nolint:containedctx // ends with the session, and with it every request
	end context.CancelFunc

	mu      sync.Mutex
	flash   []flash
	refused time.Time // when a refusal was last recorded
}

// login is who has logged in, and how.
type login struct {
	name  string // may be empty
	from  string // address
	role  Role   // at the login: a session's may change, see session.role
	proof proof
	user  people.Person // whose password it was, if proof is ownPassword
}

// proof is why relabel believes a name.
type proof string

const (
	noProof      proof = "" // somebody typed the name, and nobody checked it
	ownPassword  proof = "own password"
	namedByProxy proof = "proxy" // our proxy named the person
)

func (s *session) role() Role {
	r, _ := s.roleNow.Load().(Role)
	return r
}

// countsRefusal reports whether a refusal is to be recorded: one a minute is.
func (s *session) countsRefusal(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.refused) < refusalEvery {
		return false
	}
	s.refused = now
	return true
}

// may reports whether the session's role is enough.
func (s *session) may(r Role) bool { return s.role() == RoleChange || s.role() == r }

// who names the person on a page.
func (s *session) who() string {
	if s.name == "" {
		return s.from
	}
	return s.name + " at " + s.from
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.seen) > sessionIdle || now.Sub(s.created) > sessionLife
}

// sessions holds all sessions in memory, by the hash of their cookie. A restart
// logs everybody out.
type sessions struct {
	now func() time.Time

	mu     sync.Mutex
	byKey  map[[32]byte]*session
	lastID int64
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byKey: map[[32]byte]*session{}}
}

// begin starts a session and returns the cookie's value. It returns false if there
// are too many sessions and none may be dropped for a new one with this role.
func (l *sessions) begin(who login) (secret string, ok bool) {
	secret = newSecret()
	l.mu.Lock()
	defer l.mu.Unlock()
	return secret, l.add(secret, who) != nil
}

// add starts a session with a secret, or returns nil. The caller holds l.mu.
func (l *sessions) add(secret string, who login) *session {
	now := l.now()
	l.drop(func(s *session) bool { return s.over(now) })
	if len(l.byKey) >= maxSessions && !l.makeRoom(who.role) {
		return nil
	}
	l.lastID++
	s := &session{id: l.lastID, login: who, created: now, seen: now}
	s.roleNow.Store(who.role)
	s.ctx, s.end = context.WithCancel(context.Background())
	l.byKey[sha256.Sum256([]byte(secret))] = s
	return s
}

// makeRoom drops the read-only session that was unused for longest. Only for a
// session that may change things, and if there is no other, it drops one of those.
func (l *sessions) makeRoom(r Role) bool {
	var oldest *session
	for _, s := range l.byKey {
		if r == RoleLook && s.role() == RoleChange {
			continue
		}
		if oldest == nil || s.role() == RoleLook && oldest.role() == RoleChange || s.role() == oldest.role() && s.seen.Before(oldest.seen) {
			oldest = s
		}
	}
	return l.drop(func(s *session) bool { return s == oldest }) > 0
}

// drop ends sessions and returns how many. The caller holds l.mu.
func (l *sessions) drop(which func(*session) bool) (n int) {
	for key, s := range l.byKey {
		if which(s) {
			delete(l.byKey, key)
			s.end()
			n++
		}
	}
	return n
}

// find returns the session of a cookie, or nil, and counts as a use of it.
func (l *sessions) find(secret string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.byKey[sha256.Sum256([]byte(secret))]
	if s == nil || !l.keep(s) {
		return nil
	}
	return s
}

// use counts an open page as a use of its session. It ends a session that is over.
func (l *sessions) use(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(s)
}

func (l *sessions) keep(s *session) bool {
	now := l.now()
	if s.over(now) {
		l.drop(func(other *session) bool { return other == s })
		return false
	}
	s.seen = now
	return true
}

// end ends sessions and returns how many.
func (l *sessions) end(which func(*session) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drop(which)
}
