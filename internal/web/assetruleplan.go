package web

import (
	"context"
	"errors"
	"net/http"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/rule"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// ruleOf reads a rule and its filter from a form that was sent.
func (s *Server) ruleOf(r *http.Request) (site db.Site, filter records.AssetFilter, f ruleForm, err error) {
	form := assetFormOf(r.PostForm)
	if site, err = s.realSite(r.Context(), form.Site); err == nil {
		filter, err = form.filter(site.ID)
	}
	return site, filter, ruleFormOf(r.PostForm), err
}

// previewRule answers the script of the page while a person types.
func (s *Server) previewRule(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	_, filter, f, err := s.ruleOf(r)
	var out *rulePreview
	if err == nil && f.Set() {
		out, err = s.preview(r.Context(), filter, f)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.renderPart(w, "assets", "rule-preview", out)
}

// planRule makes a plan of what a rule changes.
func (s *Server) planRule(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	site, filter, f, err := s.ruleOf(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	back := assetsPath + "?" + assetFormOf(r.PostForm).Query()
	s.act(w, r, "plan a rule", back, func(ctx context.Context, by usecase.Actor) (done, error) {
		if !f.Set() {
			return done{}, errNoRule
		}
		p, err := s.preview(ctx, filter, f)
		switch {
		case err != nil:
			return done{}, err
		case p.Problem != "":
			return done{}, errors.New(p.Problem)
		case len(p.Result.Renames) == 0:
			return done{}, errNothingChanges
		}
		return s.planRows(ctx, by, site, f.name(), ruleRows(p.Result))
	})
}

var (
	errNoRule         = errors.New("there is no rule: say what to find, or the new name")
	errNothingChanges = errors.New("the rule changes nothing: all of these assets are as it wants them")
)

func ruleRows(r rule.Result) []plannedRow {
	rows := make([]plannedRow, len(r.Renames))
	for i, one := range r.Renames {
		rows[i] = plannedRow{ID: one.AssetID, Name: text.Deref(one.Name), Alt: text.Deref(one.Alt), Expected: one.Old}
	}
	return rows
}
