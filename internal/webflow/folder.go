package webflow

import (
	"context"
	"net/http"
	"net/url"
)

// AssetFolder is a folder of a site's assets.
type AssetFolder struct {
	ID           string `json:"id"`
	DisplayName  string `json:"displayName"`
	ParentFolder Remark `json:"parentFolder"` // its id; empty at the root
}

// ListAssetFoldersParams names one page of a site's folders.
type ListAssetFoldersParams struct {
	SiteID string
	Limit  int // 1 to MaxPage; 0: MaxPage
	Offset int
}

// ListAssetFoldersResult is one page. More folders follow if Offset + len(Folders) < Total.
type ListAssetFoldersResult struct {
	Folders []AssetFolder
	Limit   int // as the API answered it
	Offset  int
	Total   int // number of the site's folders
	Meta    Meta
}

// ListAssetFolders sends GET /sites/{site_id}/asset_folders for one page. The token needs
// the scope assets:read.
func (c *Client) ListAssetFolders(ctx context.Context, p ListAssetFoldersParams) (ListAssetFoldersResult, error) {
	if problem := pageProblem(p.SiteID, p.Limit, p.Offset); problem != "" {
		return ListAssetFoldersResult{}, c.invalid(problem)
	}
	var page folderPage
	path := "/sites/" + url.PathEscape(p.SiteID) + "/asset_folders"
	meta, err := c.do(ctx, call{http.MethodGet, path, pageQuery(p.Limit, p.Offset), nil, maxPage}, &page)
	if err == nil && (page.Folders == nil || page.Pagination == nil) {
		err = c.badAnswer(meta, "the answer is not a page of folders")
	}
	if err != nil {
		return ListAssetFoldersResult{Meta: meta}, err
	}
	return ListAssetFoldersResult{page.Folders, page.Pagination.Limit, page.Pagination.Offset, page.Pagination.Total, meta}, nil
}

type folderPage struct {
	Folders    entries[AssetFolder] `json:"assetFolders"`
	Pagination *pagination          `json:"pagination"`
}
