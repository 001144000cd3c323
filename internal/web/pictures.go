package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"relabel/internal/records"
)

// picturesPath turns the pictures of assets on and off.
const picturesPath = "/pictures"

// imageSources are where Webflow serves the files of assets. S3 has many other users, so
// only Webflow's own folder there is one.
func imageSources() []string {
	return []string{
		"https://s3.amazonaws.com/webflow-prod-assets/", "https://uploads-ssl.webflow.com/",
		"https://assets.website-files.com/", "https://cdn.prod.website-files.com/",
	}
}

// picturePolicy also allows images of those hosts, and nothing else of them.
func picturePolicy() string {
	list := []string{"'self'"}
	for _, source := range imageSources() {
		if u, err := url.Parse(source); err == nil && u.Path == "/" { // a source without a path allows all paths
			source = strings.TrimSuffix(source, "/")
		}
		list = append(list, source)
	}
	return pagePolicy + "; img-src " + strings.Join(list, " ")
}

// pictureURL returns the address of an asset's file if a page may show it, or "". The
// address comes from the API, so a browser must not read it differently from us.
func pictureURL(contentType, hosted string) string {
	if !strings.HasPrefix(contentType, "image/") || strings.ContainsAny(hosted, "\\\x00\t\r\n") {
		return ""
	}
	u, err := url.Parse(hosted)
	if err != nil || strings.Contains(u.Path, "..") || strings.Contains(strings.ToLower(u.EscapedPath()), "%2e") {
		return "" // it could leave the folder
	}
	for _, source := range imageSources() {
		if strings.HasPrefix(hosted, source) {
			return u.String()
		}
	}
	return ""
}

// fileKind is the short name of a content type, such as JPEG.
func fileKind(contentType string) string {
	_, kind, _ := strings.Cut(contentType, "/")
	kind, _, _ = strings.Cut(kind, ";")
	kind, _, _ = strings.Cut(kind, "+")
	if i := strings.LastIndexByte(kind, '.'); i >= 0 {
		kind = kind[i+1:]
	}
	if len(kind) > 8 {
		kind = kind[:8]
	}
	return strings.ToUpper(kind)
}

// picturesCookie is there for people who want no request to Webflow's image hosts.
func (s *Server) picturesCookie() string { return s.cookieName() + "-pictures" }

// showsPictures reports whether a person's pages show pictures of assets.
func (s *Server) showsPictures(r *http.Request) bool {
	c, err := r.Cookie(s.picturesCookie())
	return err != nil || c.Value != "off"
}

// setPictures turns the pictures on or off for this browser.
func (s *Server) setPictures(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	life := -time.Second
	if r.PostForm.Get("show") == "off" {
		life = 365 * 24 * time.Hour
	}
	s.setCookie(w, s.picturesCookie(), "off", life)
	http.Redirect(w, r, localPath(r.PostForm.Get("back")), http.StatusSeeOther) //nolint:gosec // a path of ours
}

// pictures are the addresses of some assets' pictures, by asset id.
type pictures map[string]string

// pictures reads those of a site's assets that were ever read; none if the person wants
// none.
func (s *Server) pictures(ctx context.Context, on bool, site string, assetIDs []string) (pictures, error) {
	if !on || len(assetIDs) == 0 {
		return pictures{}, nil
	}
	of, err := s.cfg.DB.SiteByName(ctx, site)
	if err != nil {
		return nil, err
	}
	list, err := records.AssetsByID(ctx, s.cfg.DB, of.ID, assetIDs)
	out := pictures{}
	for _, a := range list {
		if src := pictureURL(a.ContentType, a.HostedURL); src != "" {
			out[a.AssetID] = src
		}
	}
	return out, err
}
