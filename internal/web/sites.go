package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"relabel/db"
	"relabel/internal/notice"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// siteForm makes or changes a site. Where its token is and which API gets it is not in
// the form: only the worker's environment may allow those.
type siteForm struct {
	Old                    *db.Site // nil: a new one
	Name                   string
	SiteID, Rate, LocaleIn string
	Keep                   string
	Token, API             string // shown only
	Notify                 string // one more address for notices
	Notified               []notified
	wrong
}

// notified is an address that gets notices. Its path may be a secret, so the form shows its
// host, and names it by a key.
type notified struct {
	Key, Shown string
	Drop       bool // it gets no more notices
}

func notifiedOf(addresses []string, drop []string) []notified {
	list := make([]notified, len(addresses))
	for i, a := range addresses {
		list[i] = notified{notice.Key(a), notice.Shown(a), slices.Contains(drop, notice.Key(a))}
	}
	return list
}

// notifyURLs are the addresses of a site after the form.
func (f siteForm) notifyURLs(before []string) (urls []string) {
	for i, n := range f.Notified {
		if !n.Drop {
			urls = append(urls, before[i])
		}
	}
	if f.Notify != "" && !slices.Contains(urls, f.Notify) {
		urls = append(urls, f.Notify)
	}
	return urls
}

// siteLine is a site as the list shows it.
type siteLine struct {
	db.Site
	Token, Rate string
}

type sitesData struct {
	List []siteLine
	pager
}

// State is the badge of a site.
func (s siteLine) State() badge {
	switch {
	case s.ParkedReason != nil:
		return badge{"parked", "parked"}
	case s.PausedAt != nil:
		return badge{"paused", "paused"}
	case s.BreakerOpen:
		return badge{"trouble", "failing"}
	}
	return badge{"ok", "ok"}
}

// tokenOf says where the token of a site is.
func tokenOf(s db.Site) string {
	switch {
	case s.TokenEnv != nil:
		return "variable " + *s.TokenEnv
	case s.TokenFile != nil:
		return "file " + *s.TokenFile
	}
	return "variable WEBFLOW_TOKEN"
}

func (s *Server) sitesPage(w http.ResponseWriter, r *http.Request) {
	sites, err := s.realSites(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	var d sitesData
	sites, d.pager = pageOf(sites, pageNumber(r.URL.Query()))
	for _, site := range sites {
		d.List = append(d.List, siteLine{Site: site, Token: tokenOf(site), Rate: cmp.Or(text.Deref(site.RateLimit), "the workers' default")})
	}
	s.render(w, r, http.StatusOK, "sites", page{Title: "Sites", Nav: "sites", Data: d})
}

// realSite finds a site that is not a stand-in's.
func (s *Server) realSite(ctx context.Context, name string) (db.Site, error) {
	if s.cfg.StandIn != nil && s.cfg.StandIn(name) {
		return db.Site{}, usecase.WrongSetting("site", ": %s is for stand-ins: choose another site", name)
	}
	return s.cfg.DB.SiteByName(ctx, name)
}

// realSites lists the sites that are not of stand-ins.
func (s *Server) realSites(ctx context.Context) ([]db.Site, error) {
	sites, err := s.cfg.DB.Sites(ctx)
	return slices.DeleteFunc(sites, func(site db.Site) bool { return s.cfg.StandIn != nil && s.cfg.StandIn(site.Name) }), err
}

// siteForm is the empty form, or that of the site in the address.
func (s *Server) siteForm(r *http.Request) (siteForm, error) {
	name := r.PathValue("site")
	if name == "" {
		return siteForm{Token: tokenOf(db.Site{})}, nil
	}
	site, err := s.realSite(r.Context(), name)
	return siteForm{
		Old: &site, Name: site.Name, SiteID: text.Deref(site.WebflowSiteID), Rate: text.Deref(site.RateLimit), LocaleIn: text.Deref(site.LocaleIn), Keep: text.Deref(site.Keep),
		Token: tokenOf(site), API: text.Deref(site.APIURL), Notified: notifiedOf(site.NotifyURLs, nil),
	}, err
}

func (s *Server) siteFormPage(w http.ResponseWriter, r *http.Request) {
	f, err := s.siteForm(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.renderSiteForm(w, r, http.StatusOK, f)
}

func (s *Server) renderSiteForm(w http.ResponseWriter, r *http.Request, status int, f siteForm) {
	title := "New site"
	if f.Old != nil {
		title = "Edit site " + f.Old.Name
	}
	s.render(w, r, status, "siteform", page{Title: title, Nav: "sites", Data: f})
}

func (s *Server) saveSite(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	f, err := s.siteForm(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	f.SiteID, f.Rate, f.LocaleIn, f.Keep, f.Notify = get("site-id"), get("rate"), get("locale-in"), get("keep"), get("notify")
	if f.Old == nil {
		f.Name = get("name")
	} else {
		f.Notified = notifiedOf(f.Old.NotifyURLs, r.PostForm["no-notify"])
	}
	err = s.storeSite(r, f)
	if f.wrong = wrongOf(err); f.Problem != "" {
		s.renderSiteForm(w, r, http.StatusUnprocessableEntity, f)
		return
	}
	s.saved(w, r, err, "Site "+f.Name+" is saved.", "/sites")
}

func (s *Server) storeSite(r *http.Request, f siteForm) error {
	var before db.Site
	if f.Old != nil {
		before = *f.Old
	} else if _, err := s.realSite(r.Context(), f.Name); err == nil { // its settings would be lost
		return usecase.WrongSetting("site", ": there is a site %s already: choose another name, or edit that site", f.Name)
	} else if !errors.Is(err, db.ErrNoSite) {
		return err
	}
	site := before
	site.Name = f.Name
	site.WebflowSiteID, site.RateLimit, site.LocaleIn = text.NilIfEmpty(f.SiteID), text.NilIfEmpty(f.Rate), text.NilIfEmpty(f.LocaleIn)
	site.Keep = text.NilIfEmpty(f.Keep)
	site.NotifyURLs = f.notifyURLs(before.NotifyURLs)
	return s.use.SetSite(r.Context(), actor(r), s.cfg.Settings, before, site)
}
