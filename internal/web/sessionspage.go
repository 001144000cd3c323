package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"relabel/internal/records"
	"relabel/internal/usecase"
)

const sessionsPath = "/sessions"

// sessionsData is the list of sessions.
type sessionsData struct {
	Now  time.Time
	List []sessionRow
	pager
	Password bool // there is a password for all
	Names    bool // there is a file of people
}

type sessionRow struct {
	ID             int64
	From, Name     string
	ReadOnly, Here bool
	Checked        bool // relabel knows the name, by a password or from the proxy
	Created, Seen  time.Time
}

// list returns the sessions, the newest first. here is the reader's own.
func (l *sessions) list(here *session) (rows []sessionRow) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(func(s *session) bool { return s.over(now) })
	for _, s := range l.byKey {
		rows = append(rows, sessionRow{
			ID: s.id, From: s.from, Name: s.name, ReadOnly: s.role() == RoleLook, Checked: s.proof != noProof, Here: s == here, Created: s.created, Seen: s.seen,
		})
	}
	slices.SortFunc(rows, func(a, b sessionRow) int { return cmp.Compare(b.ID, a.ID) })
	return rows
}

func (s *Server) sessionsPage(w http.ResponseWriter, r *http.Request) {
	d := sessionsData{Now: s.cfg.Now(), Password: s.cfg.Password != "", Names: s.cfg.Users != nil}
	d.List, d.pager = pageOf(s.sessions.list(current(r)), pageNumber(r.URL.Query()))
	s.render(w, r, http.StatusOK, "sessions", page{Title: "Sessions", Nav: "sessions", Data: d})
}

// endSession logs somebody out.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	rows := s.sessions.list(current(r))
	at := slices.IndexFunc(rows, func(one sessionRow) bool { return one.ID == id })
	if err != nil || at < 0 {
		s.fail(w, r, http.StatusNotFound, "There is no such session: it may have ended already.")
		return
	}
	name := fmt.Sprintf("session %d", id)
	entry := records.AuditEntry{Action: "end", Subject: name, Detail: "of " + rows[at].From + " " + rows[at].Name}
	s.act(w, r, "end "+name, sessionsPath, func(ctx context.Context, by usecase.Actor) (done, error) {
		return done{text: "Session " + strconv.FormatInt(id, 10) + " has ended."}, s.use.Record(ctx, by, entry, func(context.Context) (int64, error) {
			s.sessions.end(func(one *session) bool { return one.id == id })
			return -1, nil
		})
	})
}
