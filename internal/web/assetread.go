package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/siteread"
	"relabel/internal/usecase"
)

var errSiteRead = errors.New("the site is already being read: wait until that ends")

// siteKey is the key of a site's reading among those of batches, whose ids are positive.
func siteKey(siteID int) int64 { return -int64(siteID) }

// postedSite reads a form that names a site. If that fails, the answer says why.
func (s *Server) postedSite(w http.ResponseWriter, r *http.Request) (db.Site, bool) {
	if !s.parseForm(w, r) {
		return db.Site{}, false
	}
	site, err := s.realSite(r.Context(), r.PostForm.Get("site"))
	if err != nil {
		s.failed(w, r, err)
	}
	return site, err == nil
}

// readSite reads all assets of a site again, in the background.
func (s *Server) readSite(w http.ResponseWriter, r *http.Request) {
	site, ok := s.postedSite(w, r)
	if !ok {
		return
	}
	e := records.AuditEntry{Action: "read", Subject: "site " + site.Name}
	s.act(w, r, "read site "+site.Name, assetsPath+"?site="+url.QueryEscape(site.Name), func(ctx context.Context, by usecase.Actor) (done, error) {
		return done{text: "Reading the site."}, s.use.Record(ctx, by, e, func(context.Context) (int64, error) {
			if _, err := s.use.Site(site); err != nil {
				return -1, err
			}
			if !s.startReading(site) {
				return -1, errSiteRead
			}
			return -1, nil
		})
	})
}

func (s *Server) startReading(site db.Site) bool {
	return s.background.start(siteKey(site.ID), func(ctx context.Context, progress func(calls, total int)) error {
		defer s.types.forget(int64(site.ID))
		_, err := s.use.FreshReading(ctx, site, []string{""}, 0, siteread.Params{Progress: progress})
		return err
	})
}
