package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

const (
	assetsPath = "/assets"

	// typesEvery is how often the content types of a site are read, which takes 0.1 s for
	// 50,000 assets.
	typesEvery = time.Minute

	// maxFolders bounds the folders of a site that are listed: a form can't offer more.
	maxFolders = 2000
)

// assetsFigures are the live part of the page: when the site was read, and the reading
// that runs.
type assetsFigures struct {
	Site    string
	Last    records.SiteReading
	Reading *reading
	Now     time.Time
	Say     string
}

// assetLine is an asset as the page shows it.
type assetLine struct {
	records.Asset
	Src  string // of its picture; empty: none is shown
	Kind string
}

func (s *Server) assetLine(a records.Asset, pictures bool) assetLine {
	line := assetLine{Asset: a, Kind: fileKind(a.ContentType)}
	if pictures {
		line.Src = pictureURL(a.ContentType, a.HostedURL)
	}
	return line
}

// assetsData is one page of assets.
type assetsData struct {
	Form     assetForm
	Sites    []db.Site
	Folders  []db.Folder
	Types    []records.AssetType
	Problem  string
	Assets   []assetLine
	Count    records.RowCount
	Looked   int64
	Pictures bool
	Rule     ruleForm
	Rules    []db.SavedRule
	Preview  *rulePreview // of the rule; nil: none was typed
	Here     string       // the address of this page
	pager
}

func (s *Server) assetsPage(w http.ResponseWriter, r *http.Request) {
	form := assetFormOf(r.URL.Query())
	site, err := s.realSite(r.Context(), form.Site)
	var p page
	if err == nil {
		p, err = s.assetsFigures(r.Context(), site)
	}
	if err == nil {
		p.Data, err = s.assetsData(r, site, form)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	if reading := p.Figures.(assetsFigures).Reading; reading == nil || reading.Problem != "" {
		p.Topic = "" // it changes only while the site is being read
	}
	p.Pictures = s.showsPictures(r)
	s.render(w, r, http.StatusOK, "assets", p)
}

// assetsFigures reads the live part.
func (s *Server) assetsFigures(ctx context.Context, site db.Site) (page, error) {
	f := assetsFigures{Site: site.Name, Reading: s.background.reading(siteKey(site.ID))}
	var err error
	if f.Now, err = s.cfg.DB.Now(ctx); err != nil {
		return page{}, err
	}
	if f.Last, err = records.LastReading(ctx, s.cfg.DB, site.ID); err != nil {
		return page{}, err
	}
	return page{Title: "Assets", Nav: "assets", Topic: "assets/" + site.Name, Figures: f}, nil
}

func (s *Server) assetsData(r *http.Request, site db.Site, form assetForm) (d assetsData, err error) {
	ctx := r.Context()
	d = assetsData{Form: form, Pictures: s.showsPictures(r), Here: r.URL.RequestURI()}
	if d.Sites, err = s.realSites(ctx); err != nil {
		return d, err
	}
	if d.Folders, err = s.cfg.DB.Folders(ctx, site.ID); err != nil {
		return d, err
	}
	d.Folders = d.Folders[:min(len(d.Folders), maxFolders)]
	if d.Types, err = s.types.get(int64(site.ID), "", s.cfg.Now(), func() ([]records.AssetType, error) {
		return records.AssetTypes(ctx, s.cfg.DB, site.ID)
	}); err != nil {
		return d, err
	}
	filter, err := form.filter(site.ID)
	if err == nil {
		err = s.findAssets(ctx, &d, filter, r.URL.Query().Get("after"))
	}
	if d.Rule = ruleFormOf(r.URL.Query()); err == nil && current(r).may(RoleChange) {
		err = s.readRules(ctx, &d, filter)
	}
	if bad, ok := errors.AsType[records.FilterError](err); ok {
		d.Problem, err = bad.Error(), nil
	}
	return d, err
}

// readRules reads the saved rules, and what the rule in the form would do.
func (s *Server) readRules(ctx context.Context, d *assetsData, filter records.AssetFilter) (err error) {
	if d.Rules, err = s.cfg.DB.Rules(ctx, filter.SiteID); err == nil && d.Rule.Set() {
		d.Preview, err = s.preview(ctx, filter, d.Rule)
	}
	return err
}

// findAssets reads one page of a list.
func (s *Server) findAssets(ctx context.Context, d *assetsData, filter records.AssetFilter, after string) error {
	found, err := records.Assets(ctx, s.cfg.DB, records.AssetQuery{AssetFilter: filter, Sort: d.Form.sort(), Cursor: after, Limit: onPage})
	if err != nil {
		return err
	}
	d.Looked = found.Looked
	for _, a := range found.Assets {
		d.Assets = append(d.Assets, s.assetLine(a, d.Pictures))
	}
	here := "?" + d.Form.Query()
	if found.Next != "" {
		d.Next = here + "&after=" + url.QueryEscape(found.Next)
	}
	if after != "" {
		d.First = here
	}
	d.Count, err = records.CountAssets(ctx, s.cfg.DB, filter)
	return err
}

// bytesText is the size of a file for people.
func bytesText(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n < 1_000_000:
		return text.Number(max(n/1000, 1)) + " KB"
	}
	return text.Number(n/1_000_000) + " MB"
}
