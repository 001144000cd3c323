package webflow

import (
	"context"
	"net/http"
	"net/url"
)

// Locale is one language of a site.
type Locale struct {
	ID           string `json:"id"`
	CMSLocaleID  string `json:"cmsLocaleId"` // never send it as a localeId
	Enabled      bool   `json:"enabled"`
	DisplayName  string `json:"displayName"`
	Subdirectory string `json:"subdirectory"`
	Tag          string `json:"tag"` // for example fr-FR
}

// Site holds the fields of a site that relabel uses.
type Site struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Locales     struct {
		Primary   *Locale  `json:"primary"` // nil on a site without localization
		Secondary []Locale `json:"secondary"`
	} `json:"locales"`
}

// GetSiteResult is the present state of the site.
type GetSiteResult struct {
	Site Site
	Meta Meta
}

// GetSite sends GET /sites/{site_id}. The token needs the scope sites:read.
func (c *Client) GetSite(ctx context.Context, siteID string) (GetSiteResult, error) {
	if !IsObjectID(siteID) {
		return GetSiteResult{}, c.invalid("the site id must be 24 lower-case hex digits")
	}
	var site Site
	meta, err := c.do(ctx, call{http.MethodGet, "/sites/" + url.PathEscape(siteID), nil, nil, maxAnswer}, &site)
	if err == nil && site.ID != siteID {
		err = c.badAnswer(meta, "the answer is not the requested site")
	}
	if err != nil {
		return GetSiteResult{Meta: meta}, err
	}
	return GetSiteResult{site, meta}, nil
}
