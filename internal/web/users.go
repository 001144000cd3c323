package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"relabel/internal/people"
)

// sharedPassword reports whether the session came of a role's link or shared password.
func (s *session) sharedPassword(r Role) bool { return s.proof == noProof && s.role() == r }

// typedName is a name that somebody has typed who used a shared password. With a file of
// people it must not look like a name that was checked.
func (s *Server) typedName(name string) string {
	if s.cfg.Users == nil || name == "" {
		return name
	}
	return name + " (not checked)"
}

// tryPerson compares a name and its own password. It returns how long the guesser must
// wait before that.
func (s *Server) tryPerson(r *http.Request, by guesser, name, password string) (p people.Person, ok bool, wait time.Duration) {
	if s.cfg.Users == nil || name == "" {
		return p, false, 0
	}
	if wait = s.limiter.beginPerson(by, name); wait > 0 {
		return p, false, wait
	}
	if p, ok = s.cfg.Users.Check(r.Context(), name, password); ok {
		s.limiter.succeedPerson(by, name)
	}
	return p, ok, 0
}

// enterPerson starts the session of a person. The file may have changed since the password
// was compared: the session would then outlive the person.
func (s *Server) enterPerson(w http.ResponseWriter, r *http.Request, p people.Person, next string) {
	if !s.enter(w, r, login{name: p.Name, from: s.client(r), role: p.Role, proof: ownPassword, user: p}) {
		return
	}
	s.usersMu.Lock()
	s.applyUsers()
	s.usersMu.Unlock()
	s.setCookie(w, s.deviceCookie(), s.passwords.remember(personRole(p.Name), s.cfg.Now()), deviceLife)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// refreshUsers reads the file of people again if it has changed, before a request is
// answered: who was removed is logged out by then.
func (s *Server) refreshUsers() { s.readUsers(false) }

func (s *Server) readUsers(always bool) {
	if s.cfg.Users == nil {
		return
	}
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	changed, err := s.cfg.Users.Refresh(always)
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != s.usersProblem {
		s.cfg.Logger.Error("the people of the dashboard stay as they were", "error", problem)
	}
	s.usersProblem = problem
	if changed {
		ended := s.applyUsers()
		s.cfg.Logger.Warn("the people of the dashboard have changed", "sessions_ended", ended)
	}
}

// applyUsers gives each session the role that its person has now. It ends the sessions of
// people who are gone or have another password, and forgets their devices.
func (s *Server) applyUsers() (ended int) {
	s.passwords.setPeople(s.cfg.Users.People())
	return s.sessions.end(func(one *session) bool {
		role, ok := s.roleOf(one)
		if ok {
			one.roleNow.Store(role)
		}
		return !ok
	})
}

// roleOf returns the role that a session's person has now, or false if there is none any
// more.
func (s *Server) roleOf(one *session) (Role, bool) {
	switch one.proof {
	case ownPassword:
		p, ok := s.cfg.Users.Find(one.name)
		return p.Role, ok && p.Same(one.user)
	case namedByProxy:
		return s.proxyRole(one.name)
	default:
		return one.role(), true
	}
}

// watchUsers reads the file of people again and again, until ctx ends: an open page makes
// no request.
func (s *Server) watchUsers(ctx context.Context) {
	if s.cfg.Users == nil {
		return
	}
	tick := time.NewTicker(passwordEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.readUsers(true)
		}
	}
}

// setPeople keeps a key for the devices of each person, as long as the password stays.
func (p *passwords) setPeople(list []people.Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.people
	p.people = map[Role]personKey{}
	for _, one := range list {
		role := personRole(one.Name)
		key, ok := old[role]
		if !ok || !key.person.Same(one) {
			key = personKey{one, newSecret()}
		}
		p.people[role] = key
	}
}

// personKey signs the devices of a person.
type personKey struct {
	person people.Person
	key    string
}

// triedAs says whose password was tried. Only a name that somebody has gets into the log:
// people type their password into the wrong field.
func (s *Server) triedAs(r *http.Request) string {
	name := strings.TrimSpace(r.PostFormValue("name"))
	if s.cfg.Users == nil {
		return ""
	}
	if _, ok := s.cfg.Users.Find(name); !ok {
		return ""
	}
	return "as " + name
}
