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
	Password bool   // whether there is one
	Next     string // where to go after it
	Problem  string
	Done     bool
}

// loginPage takes a link's key, or shows the form. It answers with a page and no
// redirect: a browser that came from another site's page (a chat, a mail) would
// follow one without the new cookie.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	form := loginForm{Password: s.cfg.Password != "", Next: localPath(r.URL.Query().Get("next"))}
	if key == "" || r.Method != http.MethodGet { // HEAD asks whether the page is there
		s.renderLogin(w, r, http.StatusOK, form)
		return
	}
	if form.Password {
		form.Problem = "This dashboard has a password; links don't work here."
		s.renderLogin(w, r, http.StatusForbidden, form)
		return
	}
	// Wrong keys are not counted as guesses are: they have 256 bits, and any page
	// could have a browser ask for some, so that its owner would have to wait.
	role, ok := s.links.use(key)
	if !ok {
		s.refuse(w, r, form, "This link was used before, or is of an earlier start. The newest one stands in the terminal where relabel runs.")
		return
	}
	s.enter(w, r, "", role)
	if s.cfg.LinkUsed != nil {
		s.cfg.LinkUsed(role, s.client(r))
	}
	form.Done = true
	s.renderLogin(w, r, http.StatusOK, form)
}

// login takes the form with a password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil { // which is no guess
		s.fail(w, r, http.StatusBadRequest, "This form can't be read.")
		return
	}
	form := loginForm{Password: s.cfg.Password != "", Next: localPath(r.PostFormValue("next"))}
	from := s.client(r)
	if wait := s.limiter.begin(from); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		form.Problem = fmt.Sprintf("Too many attempts: try again in %s.", text.Span(max(wait, time.Second)))
		s.renderLogin(w, r, http.StatusTooManyRequests, form)
		return
	}
	role, ok := s.checkPassword(r.PostFormValue("password"))
	if !ok {
		s.refuse(w, r, form, "That is not the password.")
		return
	}
	s.limiter.succeed(from)
	s.enter(w, r, r.PostFormValue("name"), role)
	http.Redirect(w, r, form.Next, http.StatusSeeOther)
}

// checkPassword compares with both, so that its time tells nothing.
func (s *Server) checkPassword(given string) (Role, bool) {
	change := s.cfg.Password != "" && same(given, s.cfg.Password)
	look := s.cfg.ReadOnlyPassword != "" && same(given, s.cfg.ReadOnlyPassword)
	switch {
	case change:
		return RoleChange, true
	case look:
		return RoleLook, true
	}
	return "", false
}

// enter begins a session.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, name string, role Role) {
	who := s.client(r)
	if name = strings.TrimSpace(text.Cut(intake.Clean(name), 40)); name != "" {
		who = name + " at " + who
	}
	s.setCookie(w, s.sessions.begin(who, role), int(sessionLife.Seconds()))
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, form loginForm, why string) {
	s.cfg.Logger.Warn("somebody failed to log in to the dashboard", "from", s.client(r))
	form.Problem = why
	s.renderLogin(w, r, http.StatusForbidden, form)
}

func (s *Server) renderLogin(w http.ResponseWriter, r *http.Request, status int, form loginForm) {
	s.render(w, r, status, "login", page{Title: "Log in", Data: form})
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(s.cookieName()); err == nil {
		s.sessions.end(c.Value)
	}
	s.setCookie(w, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
