package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

// assetData is one asset's story, or the form to find one.
type assetData struct {
	ID      string
	Site    string
	Sites   []db.Site
	Problem string
	Story   *report.Story
	Asset   *assetLine // as last read; nil: it never was
}

func (s *Server) assetPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d := assetData{ID: strings.ToLower(strings.TrimSpace(q.Get("id"))), Site: q.Get("site")}
	if d.Site == "" {
		d.Site = db.DefaultSite
	}
	var err error
	if d.Sites, err = s.cfg.DB.Sites(r.Context()); err != nil {
		s.failed(w, r, err)
		return
	}
	status, title := http.StatusOK, "Asset"
	if d.ID != "" {
		title = "Asset " + text.Cut(d.ID, 30)
		if status, err = s.story(r, &d); err != nil {
			s.failed(w, r, err)
			return
		}
	}
	s.render(w, r, status, "asset", page{Title: title, Nav: "assets", Data: d, Pictures: s.showsPictures(r)})
}

// story reads what happened to an asset, and what it is. It returns the status of the page.
func (s *Server) story(r *http.Request, d *assetData) (status int, err error) {
	ctx := r.Context()
	if i := slices.IndexFunc(d.Sites, func(site db.Site) bool { return site.Name == d.Site }); i >= 0 {
		list, err := records.AssetsByID(ctx, s.cfg.DB, d.Sites[i].ID, []string{d.ID})
		if err != nil {
			return 0, err
		}
		for _, a := range list {
			line := s.assetLine(a, s.showsPictures(r))
			d.Asset = &line
		}
	}
	story, err := report.ReadStory(ctx, s.cfg.DB, records.StoryParams{Site: d.Site, AssetID: d.ID})
	switch {
	case errors.Is(err, records.ErrNoRename) && d.Asset != nil:
		return http.StatusOK, nil
	case errors.Is(err, records.ErrNoRename), errors.Is(err, db.ErrNoSite):
		d.Problem = fmt.Sprintf("relabel has no renames of asset %s on site %s.", d.ID, d.Site)
		return http.StatusNotFound, nil
	case err != nil:
		return 0, err
	}
	d.Story = &story
	return http.StatusOK, nil
}
