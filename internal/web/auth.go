package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"relabel/internal/people"
	"relabel/internal/records"
	"relabel/internal/usecase"
)

// Role is what a person may do.
type Role = people.Role

// The roles. RoleChange includes RoleLook.
const (
	RoleLook   = people.Look
	RoleChange = people.Change
)

func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// cookieName contains the port, because browsers share cookies between ports.
// Over https the prefix __Host- makes browsers send it to this host only.
func (s *Server) cookieName() string {
	if s.cfg.Secure {
		return "__Host-relabel"
	}
	return "relabel-" + s.cfg.Port
}

// deviceCookie is kept after a logout. It only shortens waits: see guesser.
func (s *Server) deviceCookie() string { return s.cookieName() + "-device" }

func (s *Server) deviceOf(r *http.Request) device {
	c, err := r.Cookie(s.deviceCookie())
	if err != nil {
		return device{}
	}
	return s.passwords.find(c.Value, s.cfg.Now())
}

// setCookie sets a cookie, or removes it if its life is negative.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is set wherever a browser would take it
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()),
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

// forRole registers handlers that require a login with a role. A request ends with
// its session.
func (s *Server) forRole(mux *http.ServeMux, role Role) func(string, func(http.ResponseWriter, *http.Request)) {
	return func(pattern string, handle func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.refreshUsers()
			who, answered := s.visitor(w, r)
			switch {
			case answered:
			case who == nil:
				s.askToLogin(w, r)
			case !who.may(role):
				s.refuseRole(w, r, who)
			default:
				ctx, cancel := until(r.Context(), who.ctx)
				defer cancel()
				handle(w, r.WithContext(context.WithValue(ctx, sessionKey{}, who)))
			}
		})
	}
}

// visitor returns the session of a request, or nil. A proxy that logs people in may have
// given it none that can be used: then the request is answered.
func (s *Server) visitor(w http.ResponseWriter, r *http.Request) (who *session, answered bool) {
	if s.cfg.Proxy == nil {
		return s.sessionOf(r), false
	}
	who, ok := s.proxySession(w, r)
	return who, !ok
}

// refuseRole answers a session whose role is not enough. The audit log gets at most one
// entry a minute from a session: nobody may fill it by asking.
func (s *Server) refuseRole(w http.ResponseWriter, r *http.Request, who *session) {
	if who.countsRefusal(s.cfg.Now()) {
		s.record(r, records.AuditEntry{
			Who: who.from, Person: who.name, Via: usecase.ViaDashboard, Action: "change", Subject: "dashboard",
			Detail: r.Method + " " + r.URL.Path,
		}, errors.New("refused: the login is read-only"))
	}
	s.fail(w, r, http.StatusForbidden, notAllowed)
}

// notAllowed answers a read-only session that tries to change something.
const notAllowed = "Your login is read-only. To change things, log in with a link, a password or a name that allows it."

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
