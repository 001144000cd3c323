package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// roleLink counts wrong links, so that they do not fill the audit log.
const roleLink Role = "link"

// loginForm is what the login page shows.
type loginForm struct {
	Password bool   // the dashboard has a password for all
	Names    bool   // people have passwords of their own
	Links    bool   // links log in
	Next     string // the page to show after the login
	Problem  string
	Done     bool
}

// enteredPath is the page after a link was used, so that its key leaves the address
// bar and the history. It leads to the first page by itself: a browser that came from
// another site (a chat, a mail) follows a redirect without the new cookie.
const enteredPath = "/login/done"

func (s *Server) loginForm(next string) loginForm {
	shared := s.cfg.Password != ""
	return loginForm{Password: shared, Names: s.cfg.Users != nil, Links: !shared && !s.cfg.NoLinks, Next: localPath(next)}
}

func (s *Server) enteredPage(w http.ResponseWriter, r *http.Request) {
	s.renderLogin(w, r, http.StatusOK, loginForm{Done: true})
}

// loginPage accepts a link's key, or shows the form.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Proxy != nil {
		s.proxyLogin(w, r)
		return
	}
	key, form := r.URL.Query().Get("key"), s.loginForm(r.URL.Query().Get("next"))
	if key == "" || r.Method != http.MethodGet { // HEAD must not use up the link
		s.renderLogin(w, r, http.StatusOK, form)
		return
	}
	if !form.Links {
		form.Problem = "This dashboard has passwords, so login links do not work."
		s.renderLogin(w, r, http.StatusForbidden, form)
		return
	}
	// Nobody waits because of wrong keys: a key has 256 bits, and any web page could make
	// a browser send wrong ones to lock its owner out. The limiter only bounds how many
	// of them are recorded.
	role, ok := s.links.use(key)
	if !ok {
		_, wait := s.limiter.begin(guesser{address: s.client(r)}, roleLink)
		s.refuse(w, r, form, wait == 0, "This link was used already, or relabel was restarted. The terminal where relabel runs shows the newest link.")
		return
	}
	if s.cfg.LinkUsed != nil {
		s.cfg.LinkUsed(role, s.client(r))
	}
	if !s.enter(w, r, login{from: s.client(r), role: role}) {
		return
	}
	http.Redirect(w, r, enteredPath, http.StatusSeeOther)
}

// login accepts the form with a password: first a person's own, then one for all.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Proxy != nil {
		s.proxyLogin(w, r)
		return
	}
	if !s.parseForm(w, r) { // not counted as a guess
		return
	}
	s.refreshUsers()
	form := s.loginForm(r.PostFormValue("next"))
	given, by := r.PostFormValue("password"), guesser{address: s.client(r), device: s.deviceOf(r)}
	person, ok, personWait := s.tryPerson(r, by, strings.TrimSpace(r.PostFormValue("name")), given)
	if ok {
		s.enterPerson(w, r, person, form.Next)
		return
	}
	may, wait := s.limiter.begin(by, s.passwords.roles()...)
	role, ok := s.passwords.check(given, may)
	wait = max(wait, personWait)
	switch {
	case ok:
		s.limiter.succeed(by, may, role)
		s.enterWith(w, r, given, role, form.Next)
	case wait > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		form.Problem = fmt.Sprintf("Too many attempts: try again in %s.", text.Span(max(wait, time.Second)))
		s.renderLogin(w, r, http.StatusTooManyRequests, form)
	default:
		s.refuse(w, r, form, true, form.wrong())
	}
}

// wrong says what is wrong, without saying which names there are.
func (f loginForm) wrong() string {
	if f.Names {
		return "The name or the password is wrong."
	}
	return "The password is wrong."
}

// enterWith starts a session with a right password. The password may have changed
// since it was compared: the session would then outlive it.
func (s *Server) enterWith(w http.ResponseWriter, r *http.Request, given string, role Role, next string) {
	name := strings.TrimSpace(text.Cut(intake.Clean(r.PostFormValue("name")), 40))
	if !s.enter(w, r, login{name: s.typedName(name), from: s.client(r), role: role}) {
		return
	}
	if _, ok := s.passwords.check(given, []Role{role}); !ok {
		s.sessions.end(func(one *session) bool { return one.sharedPassword(role) })
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	s.setCookie(w, s.deviceCookie(), s.passwords.remember(role, s.cfg.Now()), deviceLife)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

var errTooManySessions = errors.New("too many people are logged in: try again when one has logged out")

// enter starts a session, or answers why it does not.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, who login) bool {
	entry := s.loginEntry(r)
	entry.Person, entry.Detail = who.name, loginDetail(who)
	err := records.Audit(r.Context(), s.cfg.DB, entry, func(context.Context) (int64, error) {
		secret, ok := s.sessions.begin(who)
		if !ok {
			return -1, errTooManySessions
		}
		s.setCookie(w, s.cookieName(), secret, sessionLife)
		return -1, nil
	})
	switch {
	case errors.Is(err, errTooManySessions):
		s.fail(w, r, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		s.failed(w, r, err)
	}
	return err == nil
}

// loginDetail is what the audit log says of a login.
func loginDetail(who login) string {
	detail := "role " + string(who.role)
	if who.proof != noProof {
		detail += ", name checked: " + string(who.proof)
	}
	return detail
}

// loginEntry is the audit entry of a login.
func (s *Server) loginEntry(r *http.Request) records.AuditEntry {
	return records.AuditEntry{Who: s.client(r), Via: usecase.ViaDashboard, Action: "log in", Subject: "dashboard"}
}

// refuse answers a login that failed. record says whether the audit log gets an entry.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, form loginForm, record bool, why string) {
	s.cfg.Logger.Warn("a login to the dashboard failed", "from", s.client(r))
	if record {
		entry := s.loginEntry(r)
		entry.Detail = s.triedAs(r)
		s.record(r, entry, errors.New("refused: "+why))
	}
	form.Problem = why
	s.renderLogin(w, r, http.StatusForbidden, form)
}

// record writes an audit entry of what has already happened. It must not fail because
// of the log.
func (s *Server) record(r *http.Request, e records.AuditEntry, result error) {
	err := records.Audit(context.WithoutCancel(r.Context()), s.cfg.DB, e, func(context.Context) (int64, error) { return -1, result })
	if err != nil && !errors.Is(err, result) {
		s.cfg.Logger.Error("the audit log could not be written", "action", e.Action, "error", err)
	}
}

func (s *Server) renderLogin(w http.ResponseWriter, r *http.Request, status int, form loginForm) {
	s.render(w, r, status, "login", page{Title: "Log in", Data: form})
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	who := current(r)
	s.sessions.end(func(one *session) bool { return one == who })
	s.record(r, records.AuditEntry{Who: who.from, Person: who.name, Via: usecase.ViaDashboard, Action: "log out", Subject: "dashboard"}, nil)
	if who.proof == namedByProxy {
		s.proxyLogout(w, r)
		return
	}
	s.setCookie(w, s.cookieName(), "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
