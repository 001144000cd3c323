package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/usecase"
)

// SiteInput names a site.
type SiteInput struct {
	Site string `path:"site" maxLength:"100"`
}

type siteQuery struct {
	SiteInput
	IfNoneMatch
}

func (s *Server) registerSites() {
	const path = Prefix + "/sites"
	register(s, huma.Operation{
		OperationID: "list-sites", Method: http.MethodGet, Path: path, Summary: "List the sites and their states",
	}, s.sites)
	register(s, huma.Operation{
		OperationID: "show-site", Method: http.MethodGet, Path: path + "/{site}", Summary: "Show a site: its state, and its limit",
		Responses: notModified(),
	}, s.showSite)
	register(s, huma.Operation{
		OperationID: "pause-site", Method: http.MethodPost, Path: path + "/{site}/pause", Summary: "Send nothing for a site until it is resumed",
	}, s.changeSite(s.cfg.Use.PauseSite))
	register(s, huma.Operation{
		OperationID: "resume-site", Method: http.MethodPost, Path: path + "/{site}/resume", Summary: "Resume a paused or parked site",
	}, s.changeSite(func(ctx context.Context, by usecase.Actor, site db.Site) error {
		_, err := s.cfg.Use.ResumeSite(ctx, by, site)
		return err
	}))
}

func (s *Server) sites(ctx context.Context, _ *struct{}) (*ok[report.SiteList], error) {
	list, err := s.cfg.DB.Sites(ctx)
	if err != nil {
		return nil, err
	}
	only, _ := sees(ctx, "")
	out := &ok[report.SiteList]{report.SiteList{Sites: []report.SiteView{}}}
	for _, site := range list {
		if only != "" && site.Name != only {
			continue
		}
		v, err := report.ReadSite(ctx, s.cfg.DB, site)
		if err != nil {
			return nil, err
		}
		out.Body.Sites = append(out.Body.Sites, v)
	}
	return out, nil
}

func (s *Server) showSite(ctx context.Context, in *siteQuery) (*tagged[report.SiteView], error) {
	site, err := s.site(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	v, err := report.ReadSite(ctx, s.cfg.DB, site)
	if err != nil {
		return nil, err
	}
	return tag(v, in.IfNoneMatch)
}

func (s *Server) changeSite(change func(context.Context, usecase.Actor, db.Site) error) func(context.Context, *SiteInput) (*ok[report.SiteView], error) {
	return func(ctx context.Context, in *SiteInput) (*ok[report.SiteView], error) {
		site, err := s.site(ctx, in.Site)
		if err != nil {
			return nil, err
		}
		if err := change(ctx, actor(ctx), site); err != nil {
			return nil, err
		}
		if site, err = s.site(ctx, in.Site); err != nil {
			return nil, err
		}
		v, err := report.ReadSite(ctx, s.cfg.DB, site)
		return &ok[report.SiteView]{v}, err
	}
}
