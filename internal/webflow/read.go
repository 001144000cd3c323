package webflow

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// GetAssetParams names an asset and a locale.
type GetAssetParams struct {
	AssetID  string
	LocaleID string // empty for the primary locale
}

// GetAssetResult is the present state of the asset.
type GetAssetResult struct {
	Asset Asset
	Meta  Meta
}

// GetAsset sends GET /assets/{asset_id}. The token needs the scope assets:read. Like
// every call, it counts against the rate limit.
func (c *Client) GetAsset(ctx context.Context, p GetAssetParams) (GetAssetResult, error) {
	if !IsObjectID(p.AssetID) {
		return GetAssetResult{}, c.invalid("the asset id must be 24 lower-case hex digits")
	}
	var asset Asset
	path := "/assets/" + url.PathEscape(p.AssetID)
	meta, err := c.do(ctx, call{http.MethodGet, path, localeQuery(p.LocaleID), nil, maxAnswer}, &asset)
	if err == nil {
		err = c.checkAsset(meta, asset.ID, p.AssetID)
	}
	if err != nil {
		return GetAssetResult{Meta: meta}, err
	}
	return GetAssetResult{Asset: asset, Meta: meta}, nil
}

// MaxPage is the largest number of assets on a page of List Assets.
const MaxPage = 100

// ListAssetsParams names one page of a site's assets.
type ListAssetsParams struct {
	SiteID   string
	LocaleID string // empty for the primary locale
	FolderID string // only assets of this folder and of all folders below it; empty: all
	Limit    int    // 1 to MaxPage; 0: MaxPage
	Offset   int
}

// ListAssetsResult is one page. More assets follow if Offset + len(Assets) < Total.
type ListAssetsResult struct {
	Assets []Asset
	Limit  int // as the API answered it
	Offset int
	Total  int // number of the site's, or the folder's, assets
	Meta   Meta
}

// ListAssets sends GET /sites/{site_id}/assets for one page. The token needs the scope
// assets:read.
func (c *Client) ListAssets(ctx context.Context, p ListAssetsParams) (ListAssetsResult, error) {
	if problem := p.problem(); problem != "" {
		return ListAssetsResult{}, c.invalid(problem)
	}
	query := pageQuery(p.Limit, p.Offset)
	if p.LocaleID != "" {
		query.Set("localeId", p.LocaleID)
	}
	if p.FolderID != "" {
		query.Set("folderId", p.FolderID)
	}
	var page assetPage
	meta, err := c.do(ctx, call{http.MethodGet, "/sites/" + url.PathEscape(p.SiteID) + "/assets", query, nil, maxPage}, &page)
	if err == nil && (page.Assets == nil || page.Pagination == nil) {
		err = c.badAnswer(meta, "the answer is not a page of assets")
	}
	if err != nil {
		return ListAssetsResult{Meta: meta}, err
	}
	return ListAssetsResult{page.Assets, page.Pagination.Limit, page.Pagination.Offset, page.Pagination.Total, meta}, nil
}

func pageQuery(limit, offset int) url.Values {
	return url.Values{"limit": {strconv.Itoa(cmp.Or(limit, MaxPage))}, "offset": {strconv.Itoa(offset)}}
}

func (p ListAssetsParams) problem() string {
	if p.FolderID != "" && !IsObjectID(p.FolderID) {
		return "the folder id must be 24 lower-case hex digits"
	}
	return pageProblem(p.SiteID, p.Limit, p.Offset)
}

func pageProblem(siteID string, limit, offset int) string {
	switch {
	case !IsObjectID(siteID):
		return "the site id must be 24 lower-case hex digits"
	case limit < 0 || limit > MaxPage:
		return "a page has 1 to 100 entries"
	case offset < 0:
		return "the offset must not be negative"
	}
	return ""
}

type assetPage struct {
	Assets     entries[Asset] `json:"assets"`
	Pagination *pagination    `json:"pagination"`
}

type pagination struct {
	Limit  int `json:"limit"`
	Offset int `json:"offset"`
	Total  int `json:"total"`
}
