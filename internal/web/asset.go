package web

import (
	"errors"
	"fmt"
	"net/http"
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
		story, err := report.ReadStory(r.Context(), s.cfg.DB, records.StoryParams{Site: d.Site, AssetID: d.ID})
		switch {
		case errors.Is(err, records.ErrNoRename), errors.Is(err, db.ErrNoSite):
			status, d.Problem = http.StatusNotFound, fmt.Sprintf("relabel has no renames of asset %s on site %s.", d.ID, d.Site)
		case err != nil:
			s.failed(w, r, err)
			return
		default:
			d.Story = &story
		}
	}
	s.render(w, r, status, "asset", page{Title: title, Nav: "asset", Data: d})
}
