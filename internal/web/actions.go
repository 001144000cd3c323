package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/pace"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/usecase"
)

// done is the result of an action.
type done struct {
	text string // shown to the person
	next string // the page to show; empty: the page with the button
}

// actionOn does something to a batch.
type actionOn func(ctx context.Context, by usecase.Actor, r *http.Request, b records.BatchProgress) (done, error)

// batchActions returns the actions of a batch's page.
func (s *Server) batchActions() map[string]actionOn {
	return map[string]actionOn{
		"pause":   changeTo(s.use.Pause, "Paused: no new calls are made."),
		"resume":  changeTo(s.use.Resume, "Resumed."),
		"cancel":  s.cancelBatch,
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
	if !s.parseForm(w, r) {
		return
	}
	b, err := records.Batch(r.Context(), s.cfg.DB, id)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.act(w, r, name+" "+records.BatchSubject(id), batchPath(id),
		func(ctx context.Context, by usecase.Actor) (done, error) { return act(ctx, by, r, b) })
	s.forget(id)
}

// parseForm reads a form, or answers why it can't be read.
func (s *Server) parseForm(w http.ResponseWriter, r *http.Request) bool {
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusBadRequest, "The form could not be read.")
		return false
	}
	if !storableForm(r.PostForm) {
		s.fail(w, r, http.StatusBadRequest, notStorable)
		return false
	}
	return true
}

// act runs an action, which records itself in the audit log, and shows its result on
// the next page. what names it in relabel's log.
func (s *Server) act(w http.ResponseWriter, r *http.Request, what, next string, fn func(context.Context, usecase.Actor) (done, error)) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // millions of rows take minutes
	ctx, cancel := s.background.with(r.Context())
	defer cancel()
	out, err := fn(ctx, actor(r))
	switch {
	case pg.Transient(err):
		s.failed(w, r, err)
		return
	case err != nil:
		s.cfg.Logger.Warn("an action of the dashboard failed", "action", what, "error", err)
		current(r).addFlash(flash{Bad: true, Text: problem(err)})
	default:
		current(r).addFlash(flash{Text: out.text})
	}
	if out.next != "" {
		next = out.next
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// actor is who sent a request.
func actor(r *http.Request) usecase.Actor {
	who := current(r)
	return usecase.Actor{Name: who.from, Person: who.name, Via: usecase.ViaDashboard}
}

func changeTo(change func(context.Context, usecase.Actor, int64) error, text string) actionOn {
	return func(ctx context.Context, by usecase.Actor, _ *http.Request, b records.BatchProgress) (done, error) {
		return done{text: text}, change(ctx, by, b.Batch)
	}
}

func (s *Server) cancelBatch(ctx context.Context, by usecase.Actor, _ *http.Request, b records.BatchProgress) (done, error) {
	out := done{text: "Cancelled: rows not sent yet will not be sent; Retry sends them after all."}
	stranded, err := s.use.Cancel(ctx, by, b.Batch)
	for _, o := range stranded {
		out.text += " " + report.Stranded(o) + "."
	}
	return out, err
}

func (s *Server) retryRows(ctx context.Context, by usecase.Actor, r *http.Request, b records.BatchProgress) (done, error) {
	choice := filterOf(r.PostForm)
	filter, err := choice.rows(b.Batch)
	if err != nil {
		return done{}, s.use.Record(ctx, by, records.AuditEntry{Action: "retry", Subject: records.BatchSubject(b.Batch), Detail: choice.Query()},
			func(context.Context) (int64, error) { return -1, err })
	}
	got, err := s.use.RetryRows(ctx, by, filter, choice.Query(), nil)
	return done{text: strings.Join(report.Retried(got), ". ") + "."}, err
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
	s.act(w, r, action+" site "+site.Name, "/", func(ctx context.Context, by usecase.Actor) (done, error) {
		if action == "pause" {
			return done{text: "Site " + site.Name + " is paused: no new calls begin."}, s.use.PauseSite(ctx, by, site)
		}
		_, err := s.use.ResumeSite(ctx, by, site)
		return done{text: "Site " + site.Name + " goes on."}, err
	})
}

// results downloads a batch's rows as a CSV. It has no overall time limit.
func (s *Server) results(w http.ResponseWriter, r *http.Request) {
	id, ok := s.batchID(w, r)
	if !ok {
		return
	}
	if _, err := records.Batch(r.Context(), s.cfg.DB, id); err != nil {
		s.failed(w, r, err)
		return
	}
	statuses := db.RowStatuses(r.URL.Query()["status"])
	if err := (records.RowFilter{Statuses: statuses}).Check(); err != nil {
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
	out := pace.NewWriter(w)
	if _, err := report.WriteResults(out, "csv", records.Results(r.Context(), s.cfg.DB, id, statuses)); err != nil {
		if r.Context().Err() == nil {
			s.cfg.Logger.Warn("a download of results was cut short", "batch", id, "error", err)
		}
		panic(http.ErrAbortHandler) // so that the browser reports an incomplete download
	}
}
