package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/report"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// page is the data of a template. layout.html is the frame; each page's own file
// defines "main" and, if it has live figures, "live".
type page struct {
	Title   string
	Nav     string // the current entry of the menu
	Topic   string // of the live figures; empty: none
	Figures any    // shown by "live"
	Data    any    // shown by the rest of the page

	Pictures bool // it may show pictures from Webflow's hosts

	// Set by render:
	Who     string // empty: not logged in
	May     bool   // may change things
	Flash   []flash
	Version string
}

// flash is the result of an action, shown once on the next page.
type flash struct {
	Bad  bool
	Text string
}

// pages holds the templates by file name.
type pages map[string]*template.Template

func readPages(st static) (pages, error) {
	funcs := template.FuncMap{
		"static": st.url, "number": number, "plural": plural, "span": text.Span, "cut": text.Cut,
		"when": when, "next": nextRun, "zone": func() string { return time.Now().Format("MST") }, "clock": text.Clock, "rate": report.Rate, "window": report.Window, "deref": text.Deref,
		"ticks": ticks, "bar": bar, "gauge": gaugeOf, "px": px, "badge": badgeOf, "result": func(r *scheduledb.Run) string { return schedule.RunText(*r) }, "label": func(class, word string) badge { return badge{class, word} }, "list": list, "mb": func(n int64) int64 { return n >> 20 }, "bytes": bytesText,
	}
	layout, err := template.New("layout").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("error reading the pages' frame: %w", err)
	}
	out := pages{}
	for _, name := range []string{"login", "overview", "batches", "batch", "asset", "assets", "log", "upload", "schedules", "schedule", "scheduleform", "sites", "siteform", "sessions", "error"} {
		t, err := layout.Clone()
		if err == nil {
			_, err = t.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("error reading the page %s: %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

// number formats any integer that a template may have.
func number(n any) string {
	switch n := n.(type) {
	case int:
		return text.Number(int64(n))
	case int64:
		return text.Number(n)
	case *int64:
		if n != nil {
			return text.Number(*n)
		}
	}
	return ""
}

func plural(n any, one, many string) string {
	if i, ok := n.(int); ok {
		n = int64(i)
	}
	i, _ := n.(int64)
	return text.Plural(i, one, many)
}

// ticks shows the commands in a text, which are between backticks, as code.
func ticks(s string) template.HTML {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 { // an unpaired backtick
		return template.HTML(template.HTMLEscapeString(s)) //nolint:gosec // escaped
	}
	var b strings.Builder
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String()) //nolint:gosec // escaped, part by part
}

// bidi matches the characters that set the direction of the text around them (U+202E and
// others), and HTML tags, inside which they are left alone.
var bidi = regexp.MustCompile("<[^>]*>|[" + bidiMarks + "]")

const bidiMarks = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

// shown makes those characters visible: a name must not reverse the words around
// it, or look like another name.
func shown(html []byte) []byte {
	if !bytes.ContainsAny(html, bidiMarks) {
		return html
	}
	return bidi.ReplaceAllFunc(html, func(m []byte) []byte {
		if m[0] == '<' {
			return m
		}
		return fmt.Appendf(nil, "[%U]", []rune(string(m))[0])
	})
}

func list(items ...any) []any { return items }

// when formats a time for people, with the exact time as a tooltip and for
// programs. Nothing in it comes from outside.
func when(t, now any) template.HTML {
	at, ok := t.(time.Time)
	if p, isPtr := t.(*time.Time); isPtr && p != nil {
		at, ok = *p, true
	}
	base, _ := now.(time.Time)
	if !ok {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<time datetime=%q title=%q>%s</time>`, //nolint:gosec // made of numbers
		at.UTC().Format(time.RFC3339), at.Local().Format("Mon 2 Jan 2006 15:04:05 MST"), text.Clock(at, base)))
}

// nextRun shows when a schedule is due next, by the clock of its own time zone: next to "every
// day at 02:00, Berlin", the time by this machine's clock looks wrong.
func nextRun(at *time.Time, zone string) template.HTML {
	loc, err := schedule.ParseZone(zone)
	if at == nil || err != nil {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<time datetime=%q title=%q>%s</time>`, //nolint:gosec // made of numbers
		at.UTC().Format(time.RFC3339), at.Local().Format("Mon 2 Jan 2006 15:04:05 MST"), at.In(loc).Format("Mon 2 Jan 15:04")))
}

// render answers a request with a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	if who := current(r); who != nil {
		p.Who, p.May = who.who(), who.may(RoleChange)
		p.Flash = who.takeFlash()
	}
	p.Version = s.cfg.Version
	var buf bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&buf, "layout", p); err != nil {
		s.cfg.Logger.Error("a page could not be rendered", "page", name, "error", err)
		http.Error(w, "this page could not be rendered; relabel's log says why", http.StatusInternalServerError)
		return
	}
	if p.Pictures {
		w.Header().Set("Content-Security-Policy", picturePolicy())
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(shown(buf.Bytes())) // the browser may be gone
}

// renderPart answers with a part of a page, for a script.
func (s *Server) renderPart(w http.ResponseWriter, name, part string, data any) {
	var buf bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&buf, part, data); err != nil {
		s.cfg.Logger.Error("a part of a page could not be rendered", "page", name, "part", part, "error", err)
		http.Error(w, "this could not be shown; relabel's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(shown(buf.Bytes())) // the browser may be gone
}

// fail answers with a page that explains an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	s.render(w, r, status, "error", page{Title: http.StatusText(status), Data: text})
}

// failed logs an error of a handler and answers with a page that explains it.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case current(r) != nil && current(r).ctx.Err() != nil:
		http.Error(w, "your session has ended: log in again", http.StatusUnauthorized)
	case r.Context().Err() != nil: // the browser is gone
	case isNoBatch(err), errors.Is(err, db.ErrNoSite), errors.Is(err, scheduledb.ErrNoSchedule), errors.Is(err, errNotFound):
		s.fail(w, r, http.StatusNotFound, err.Error())
	case pg.Transient(err):
		s.cfg.Logger.Warn("a page failed because the database does not answer", "path", r.URL.Path, "error", err)
		s.fail(w, r, http.StatusServiceUnavailable, "The database does not answer. Load the page again in a moment.")
	default:
		s.cfg.Logger.Error("a page failed", "path", r.URL.Path, "error", err)
		s.fail(w, r, http.StatusInternalServerError, err.Error())
	}
}

var errNotFound = errors.New("there is no such page")

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, http.StatusNotFound, "There is no such page.")
}

// addFlash keeps a text for the session's next page.
func (s *session) addFlash(f flash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flash) < 10 { // nobody reads more
		s.flash = append(s.flash, f)
	}
}

func (s *session) takeFlash() []flash {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flash
	s.flash = nil
	return f
}

func isNoBatch(err error) bool {
	_, ok := errors.AsType[db.NoBatchError](err)
	return ok
}
