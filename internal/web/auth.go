package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Role is what a person may do.
type Role string

// The roles. RoleChange includes RoleLook.
const (
	RoleLook   Role = "look"
	RoleChange Role = "change"
)

const (
	sessionIdle = 12 * time.Hour     // one working day
	sessionLife = 7 * 24 * time.Hour // even if it is used all the time
	maxSessions = 1000               // beyond it, the session unused for longest ends
)

// newSecret returns 256 random bits as text.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// session is a person who has logged in.
type session struct {
	who     string // name, if given, and address
	role    Role
	created time.Time
	seen    time.Time

	mu    sync.Mutex
	flash []flash
}

// may reports whether the session's role is enough.
func (s *session) may(r Role) bool { return s.role == RoleChange || s.role == r }

// sessions holds all sessions in memory, by the hash of their cookie. A restart
// logs everybody out.
type sessions struct {
	now func() time.Time

	mu    sync.Mutex
	byKey map[[32]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byKey: map[[32]byte]*session{}}
}

// begin starts a session and returns the cookie's value.
func (l *sessions) begin(who string, r Role) string {
	secret, now := newSecret(), l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.byKey) >= maxSessions {
		l.dropOldest()
	}
	l.byKey[sha256.Sum256([]byte(secret))] = &session{who: who, role: r, created: now, seen: now}
	return secret
}

func (l *sessions) dropOldest() {
	var oldest [32]byte
	var at time.Time
	for key, s := range l.byKey {
		if at.IsZero() || s.seen.Before(at) {
			oldest, at = key, s.seen
		}
	}
	delete(l.byKey, oldest)
}

func (l *sessions) find(secret string) *session {
	key, now := sha256.Sum256([]byte(secret)), l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.byKey[key]
	if s == nil {
		return nil
	}
	if now.Sub(s.seen) > sessionIdle || now.Sub(s.created) > sessionLife {
		delete(l.byKey, key)
		return nil
	}
	s.seen = now
	return s
}

func (l *sessions) end(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byKey, sha256.Sum256([]byte(secret)))
}

// cookieName contains the port, because browsers share cookies between ports.
// Over https the prefix __Host- makes browsers send it to this host only.
func (s *Server) cookieName() string {
	if s.cfg.Secure {
		return "__Host-relabel"
	}
	return "relabel-" + s.cfg.Port
}

func (s *Server) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is set wherever a browser would take it
		Name: s.cookieName(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.cfg.Secure, SameSite: http.SameSiteStrictMode,
	})
}

func (s *Server) sessionOf(r *http.Request) *session {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil
	}
	return s.sessions.find(c.Value)
}

type sessionKey struct{}

// current returns the session of a request, which forRole has stored.
func current(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// forRole registers handlers that require a login with a role.
func (s *Server) forRole(mux *http.ServeMux, role Role) func(string, func(http.ResponseWriter, *http.Request)) {
	return func(pattern string, handle func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			who := s.sessionOf(r)
			switch {
			case who == nil:
				s.askToLogin(w, r)
			case !who.may(role):
				s.fail(w, r, http.StatusForbidden, notAllowed)
			default:
				handle(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, who)))
			}
		})
	}
}

// notAllowed answers a read-only session that tries to change something.
const notAllowed = "Your login is read-only: to change things, log in with the link or password that allows it."

// askToLogin sends a person to the login page, and back afterwards.
func (s *Server) askToLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	to := "/login"
	if r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// localPath returns p if it is a page of ours, and otherwise the first page. It
// keeps a login link from leading to another site.
func localPath(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(p, "/") ||
		strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n") || strings.HasPrefix(p, "/login") {
		return "/"
	}
	return p
}

// links holds the secret of each role's login link.
type links struct {
	mu     sync.Mutex
	byRole map[Role]string
}

func newLinks() *links {
	return &links{byRole: map[Role]string{RoleLook: newSecret(), RoleChange: newSecret()}}
}

// use accepts a secret once and replaces it.
func (l *links) use(secret string) (Role, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range []Role{RoleLook, RoleChange} {
		if same(secret, l.byRole[r]) {
			l.byRole[r] = newSecret()
			return r, true
		}
	}
	return "", false
}

// Link returns the path that logs in with a role, once.
func (s *Server) Link(r Role) string {
	s.links.mu.Lock()
	defer s.links.mu.Unlock()
	return "/login?key=" + s.links.byRole[r]
}
