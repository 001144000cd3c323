package web

import (
	"net/http"
	"strconv"

	"relabel/internal/records"
)

// logData is one page of the audit log.
type logData struct {
	AuditEntries []records.AuditEntry
	Next         string
	First        string
}

func (s *Server) logPage(w http.ResponseWriter, r *http.Request) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	entries, err := records.AuditEntries(r.Context(), s.cfg.DB, "", max(before, 0), onPage)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	d := logData{AuditEntries: entries}
	if len(entries) == onPage {
		d.Next = "?before=" + strconv.FormatInt(entries[len(entries)-1].ID, 10)
	}
	if before > 0 {
		d.First = "?"
	}
	s.render(w, r, http.StatusOK, "log", page{Title: "Log", Nav: "log", Data: d})
}
