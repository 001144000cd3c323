package web

import (
	"context"
	"fmt"
	"net/http"

	"relabel/db"
	"relabel/internal/report"
)

// actionOn does something to a batch, and says what came of it and how many rows
// it touched (-1: that is not counted).
type actionOn func(ctx context.Context, r *http.Request, b db.BatchStatus) (text string, rows int64, err error)

// batchActions are what a batch's page can do.
func (s *Server) batchActions() map[string]actionOn {
	return map[string]actionOn{
		"pause":   s.setStatus("paused", "Paused: no new calls begin."),
		"resume":  s.setStatus("active", "It goes on."),
		"cancel":  s.cancelBatch,
		"retry":   s.retryRows,
		"apply":   s.applyPlan,
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
		s.fail(w, r, http.StatusBadRequest, "This form can't be read.")
		return
	}
	b, err := s.cfg.DB.BatchStatus(r.Context(), id)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.act(w, r, db.Deed{Action: name, Subject: batchSubject(id), Detail: filterOf(r.PostForm).Query()}, batchPath(id),
		func(ctx context.Context) (string, int64, error) { return act(ctx, r, b) })
	s.kept.forget(id)
}

// act runs an action with its row in the audit log, and shows on the next page
// what came of it.
func (s *Server) act(w http.ResponseWriter, r *http.Request, d db.Deed, next string, fn func(context.Context) (string, int64, error)) {
	who := current(r)
	d.Who, d.Via = who.who, "dashboard"
	var text string
	err := s.cfg.DB.Audit(r.Context(), d, func(ctx context.Context) (rows int64, err error) {
		text, rows, err = fn(ctx)
		return rows, err
	})
	switch {
	case err != nil && db.Transient(err):
		s.failed(w, r, err)
		return
	case err != nil:
		s.cfg.Logger.Warn("an action of the dashboard failed", "action", d.Action, "subject", d.Subject, "error", err)
		who.tell(flash{Bad: true, Text: err.Error()})
	default:
		who.tell(flash{Text: text})
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Server) setStatus(status, text string) actionOn {
	return func(ctx context.Context, _ *http.Request, b db.BatchStatus) (string, int64, error) {
		changed, err := s.cfg.DB.SetBatchStatus(ctx, b.Batch, status, nil)
		if err != nil {
			return "", -1, err
		}
		if !changed {
			return "", -1, fmt.Errorf("batch %d is %s: it can't become %s", b.Batch, b.Status, status)
		}
		return text, b.Left(), nil
	}
}

func (s *Server) cancelBatch(ctx context.Context, r *http.Request, b db.BatchStatus) (string, int64, error) {
	if _, _, err := s.setStatus("cancelled", "")(ctx, r, b); err != nil {
		return "", -1, err
	}
	site, err := s.cfg.DB.SiteByName(ctx, b.Site)
	if err != nil {
		return "", -1, err
	}
	// Here and now: there may be no worker that does.
	if err := s.cfg.DB.EndCancelled(ctx, site.ID); err != nil {
		return "", -1, err
	}
	return "Cancelled: what was not sent never will be.", b.Left(), nil
}

func (s *Server) retryRows(ctx context.Context, r *http.Request, b db.BatchStatus) (string, int64, error) {
	filter, err := filterOf(r.PostForm).jobs(b.Batch)
	if err != nil {
		return "", -1, err
	}
	got, err := s.cfg.DB.RetryJobs(ctx, filter, nil)
	if err != nil {
		return "", got.Pending + got.Superseded, err
	}
	text := report.Plural(got.Pending, "row", "rows") + " will be sent again."
	if got.Superseded > 0 {
		text += " " + report.Plural(got.Superseded, "row is", "rows are") + " not: a newer rename of the same asset came since."
	}
	return text, got.Pending + got.Superseded, nil
}

// changeSite pauses a site, or lets a paused or parked one go on.
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
	s.act(w, r, db.Deed{Action: action, Subject: "site " + site.Name}, "/", func(ctx context.Context) (string, int64, error) {
		if _, err := s.cfg.DB.PauseSite(ctx, site.ID, action == "pause"); err != nil {
			return "", -1, err
		}
		if action == "pause" {
			return "Site " + site.Name + " is paused: no new calls begin.", -1, nil
		}
		_, err := s.cfg.DB.UnparkSite(ctx, site.ID)
		return "Site " + site.Name + " goes on.", -1, err
	})
}

// results sends a batch's rows as a CSV, as long as it takes.
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
	if err := (db.JobFilter{Statuses: statuses}).Check(); err != nil {
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
		panic(http.ErrAbortHandler) // so that the browser does not take the part for the whole
	}
}
