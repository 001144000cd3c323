package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
)

// done is the result of an action.
type done struct {
	text string // shown to the person
	rows int64  // rows changed; -1: not counted
	next string // the page to show; empty: the page with the button
}

// actionOn is an action on a batch.
type actionOn func(ctx context.Context, r *http.Request, b db.BatchStatus) (done, error)

func nothingDone() done { return done{rows: -1} }

// batchActions returns the actions of a batch's page.
func (s *Server) batchActions() map[string]actionOn {
	return map[string]actionOn{
		"pause":   s.setStatus("paused", "Paused: no new calls are made."),
		"resume":  s.setStatus("active", "Resumed."),
		"cancel":  s.setStatus("cancelled", "Cancelled: rows that were not sent will never be sent."),
		"retry":   s.retryRows,
		"apply":   s.applyPlan,
		"undo":    s.undoBatch,
		"compare": s.compareAgain,
		"record":  s.compareWithRecord,
		"discard": s.discardPlan,
	}
}

func (s *Server) changeBatch(w http.ResponseWriter, r *http.Request) {
	id, ok := s.batchID(w, r)
	name := r.PathValue("action")
	act := s.batchActions()[name]
	if !ok {
		return
	}
	if act == nil {
		s.notFound(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusBadRequest, "The form could not be read.")
		return
	}
	b, err := s.cfg.DB.BatchStatus(r.Context(), id)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.act(w, r, db.AuditEntry{Action: name, Subject: db.BatchSubject(id), Detail: filterOf(r.PostForm).Query()}, batchPath(id),
		func(ctx context.Context) (done, error) { return act(ctx, r, b) })
	s.forget(id)
}

// act runs an action, records it in the audit log, and shows its result on the
// next page.
func (s *Server) act(w http.ResponseWriter, r *http.Request, d db.AuditEntry, next string, fn func(context.Context) (done, error)) {
	who := current(r)
	d.Who, d.Via = who.who, "dashboard"
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // millions of rows take minutes
	ctx, cancel := s.background.with(r.Context())
	defer cancel()
	var out done
	err := s.cfg.DB.Audit(ctx, d, func(ctx context.Context) (_ int64, err error) {
		out, err = fn(ctx)
		return out.rows, err
	})
	switch {
	case db.Transient(err):
		s.failed(w, r, err)
		return
	case err != nil:
		s.cfg.Logger.Warn("an action of the dashboard failed", "action", d.Action, "subject", d.Subject, "error", err)
		who.addFlash(flash{Bad: true, Text: err.Error()})
	default:
		who.addFlash(flash{Text: out.text})
	}
	if out.next != "" {
		next = out.next
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Server) setStatus(status, text string) actionOn {
	return func(ctx context.Context, _ *http.Request, b db.BatchStatus) (done, error) {
		if err := s.cfg.DB.ChangeBatch(ctx, b.Batch, status); err != nil {
			return nothingDone(), err
		}
		out := done{text: text, rows: b.Left()}
		if status != "cancelled" {
			return out, nil
		}
		stranded, err := s.cfg.DB.Stranded(ctx, b.Batch)
		for _, o := range stranded {
			out.text += " " + report.Stranded(o) + "."
		}
		return out, err
	}
}

func (s *Server) retryRows(ctx context.Context, r *http.Request, b db.BatchStatus) (done, error) {
	filter, err := filterOf(r.PostForm).rows(b.Batch)
	if err != nil {
		return nothingDone(), err
	}
	got, err := s.cfg.DB.RetryRows(ctx, filter, nil)
	out := done{rows: got.Pending + got.Superseded}
	if err != nil {
		return out, err
	}
	out.text = text.Plural(got.Pending, "row", "rows") + " will be sent again."
	if got.Superseded > 0 {
		out.text += " " + text.Plural(got.Superseded, "row is", "rows are") + " not: the same asset has a newer rename."
	}
	if got.LeftOut > 0 {
		out.text += " " + text.Plural(got.LeftOut, "row was", "rows were") + " left unchanged: the batch was cancelled meanwhile."
	}
	return out, nil
}

// changeSite pauses a site, or resumes a paused or parked one.
func (s *Server) changeSite(w http.ResponseWriter, r *http.Request) {
	name, action := r.PathValue("site"), r.PathValue("action")
	if action != "pause" && action != "resume" {
		s.notFound(w, r)
		return
	}
	site, err := s.cfg.DB.SiteByName(r.Context(), name)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.act(w, r, db.AuditEntry{Action: action, Subject: "site " + site.Name}, "/", func(ctx context.Context) (done, error) {
		if _, err := s.cfg.DB.PauseSite(ctx, site.ID, action == "pause"); err != nil {
			return nothingDone(), err
		}
		if action == "pause" {
			return done{text: "Site " + site.Name + " is paused: no new calls are made.", rows: -1}, nil
		}
		_, err := s.cfg.DB.UnparkSite(ctx, site.ID)
		return done{text: "Site " + site.Name + " is resumed.", rows: -1}, err
	})
}

// results downloads a batch's rows as a CSV. It has no overall time limit.
func (s *Server) results(w http.ResponseWriter, r *http.Request) {
	id, ok := s.batchID(w, r)
	if !ok {
		return
	}
	if _, err := s.cfg.DB.BatchStatus(r.Context(), id); err != nil {
		s.failed(w, r, err)
		return
	}
	statuses := r.URL.Query()["status"]
	if err := (db.RowFilter{Statuses: statuses}).Check(); err != nil {
		s.fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	release, ok := s.busy(w, r)
	if !ok {
		return
	}
	defer release()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="batch-%d.csv"`, id))
	out := &slowWriter{w: w, control: http.NewResponseController(w)}
	if _, err := report.WriteResults(out, "csv", s.cfg.DB.Results(r.Context(), id, statuses)); err != nil {
		if r.Context().Err() == nil {
			s.cfg.Logger.Warn("a download of results was cut short", "batch", id, "error", err)
		}
		panic(http.ErrAbortHandler) // so that the browser reports an incomplete download
	}
}
