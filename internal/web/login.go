package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"relabel/internal/intake"
	"relabel/internal/text"
)

// loginForm is what the login page shows.
type loginForm struct {
	Password bool   // the dashboard has a password
	Next     string // the page to show after the login
	Problem  string
	Done     bool
}

// loginPage accepts a link's key, or shows the form. It answers a key with a page
// instead of a redirect: a browser that came from another site (a chat, a mail)
// would follow the redirect without the new cookie.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	form := loginForm{Password: s.cfg.Password != "", Next: localPath(r.URL.Query().Get("next"))}
	if key == "" || r.Method != http.MethodGet { // HEAD must not use up the link
		s.renderLogin(w, r, http.StatusOK, form)
		return
	}
	if form.Password {
		form.Problem = "This dashboard has a password, so login links do not work."
		s.renderLogin(w, r, http.StatusForbidden, form)
		return
	}
	// Wrong keys do not count as wrong guesses. A key has 256 bits, and any web page
	// could make a browser send wrong ones to lock its owner out.
	role, ok := s.links.use(key)
	if !ok {
		s.refuse(w, r, form, "This link was used already, or relabel was restarted. The terminal where relabel runs shows the newest link.")
		return
	}
	if s.cfg.LinkUsed != nil {
		s.cfg.LinkUsed(role, s.client(r))
	}
	if !s.enter(w, r, "", role) {
		return
	}
	form.Done = true
	s.renderLogin(w, r, http.StatusOK, form)
}

// login accepts the form with a password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil { // not counted as a guess
		s.fail(w, r, http.StatusBadRequest, "The form could not be read.")
		return
	}
	form := loginForm{Password: s.cfg.Password != "", Next: localPath(r.PostFormValue("next"))}
	given, by := r.PostFormValue("password"), guesser{address: s.client(r), device: s.deviceOf(r)}
	may, wait := s.limiter.begin(by, s.passwords.roles()...)
	role, ok := s.passwords.check(given, may)
	switch {
	case ok:
		s.limiter.succeed(by, may, role)
		s.enterWith(w, r, given, role, form.Next)
	case wait > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		form.Problem = fmt.Sprintf("Too many attempts: try again in %s.", text.Span(max(wait, time.Second)))
		s.renderLogin(w, r, http.StatusTooManyRequests, form)
	default:
		s.refuse(w, r, form, "The password is wrong.")
	}
}

// enterWith starts a session with a right password. The password may have changed
// since it was compared: the session would then outlive it.
func (s *Server) enterWith(w http.ResponseWriter, r *http.Request, given string, role Role, next string) {
	if !s.enter(w, r, r.PostFormValue("name"), role) {
		return
	}
	if _, ok := s.passwords.check(given, []Role{role}); !ok {
		s.sessions.end(func(one *session) bool { return one.role == role })
	}
	s.setCookie(w, s.deviceCookie(), s.passwords.remember(role, s.cfg.Now()), deviceLife)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// enter starts a session, or answers why it does not.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, name string, role Role) bool {
	secret, ok := s.sessions.begin(strings.TrimSpace(text.Cut(intake.Clean(name), 40)), s.client(r), role)
	if !ok {
		s.fail(w, r, http.StatusServiceUnavailable, "Too many people are logged in: try again when one has logged out.")
		return false
	}
	s.setCookie(w, s.cookieName(), secret, sessionLife)
	return true
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, form loginForm, why string) {
	s.cfg.Logger.Warn("a login to the dashboard failed", "from", s.client(r))
	form.Problem = why
	s.renderLogin(w, r, http.StatusForbidden, form)
}

func (s *Server) renderLogin(w http.ResponseWriter, r *http.Request, status int, form loginForm) {
	s.render(w, r, status, "login", page{Title: "Log in", Data: form})
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(func(one *session) bool { return one == current(r) })
	s.setCookie(w, s.cookieName(), "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
