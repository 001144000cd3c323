package siteread

import (
	"context"
	"strings"

	"relabel/db"
	"relabel/internal/webflow"
)

// maxFolders bounds the reading of an API whose list has no end.
const maxFolders = 100_000

// ReadFolders reads the folders of the site's assets, and saves them in place of those
// that were read before: a call for 100 folders.
func (r *Reader) ReadFolders(ctx context.Context) error {
	id := r.site().WebflowSiteID
	if id == nil {
		return &NoSiteError{Site: r.site().Name}
	}
	var folders []db.Folder
	seen := map[string]bool{}
	for offset := 0; offset < maxFolders; {
		res, err := r.listFolders(ctx, webflow.ListAssetFoldersParams{SiteID: *id, Offset: offset})
		if err != nil {
			return explain("reading the site's folders", err, r.site().Name, *id)
		}
		fresh := r.newFolders(res.Folders, seen)
		folders = append(folders, fresh...)
		offset += len(res.Folders)
		if len(fresh) == 0 || offset >= res.Total { // the first, for an API that takes no offset
			break
		}
	}
	setPaths(folders)
	return r.cfg.DB.SaveFolders(ctx, r.site().ID, folders)
}

// newFolders are the folders of a page that were not seen before.
func (r *Reader) newFolders(page []webflow.AssetFolder, seen map[string]bool) (fresh []db.Folder) {
	for _, f := range page {
		if webflow.IsObjectID(f.ID) && !seen[f.ID] {
			fresh = append(fresh, db.Folder{ID: f.ID, DisplayName: r.clean(f.DisplayName), ParentID: r.clean(string(f.ParentFolder))})
		}
		seen[f.ID] = true
	}
	return fresh
}

// maxDepth ends the path of folders that hold each other.
const maxDepth = 100

// setPaths joins the names from the root. A name may hold a slash itself, and two folders
// may have the same name: a path does not always say which folder is meant.
func setPaths(folders []db.Folder) {
	byID := map[string]db.Folder{}
	for _, f := range folders {
		byID[f.ID] = f
	}
	for i, f := range folders {
		names := []string{f.DisplayName}
		for parent, ok := byID[f.ParentID]; ok && len(names) < maxDepth; parent, ok = byID[parent.ParentID] {
			names = append([]string{parent.DisplayName}, names...)
		}
		folders[i].Path = storable(strings.Join(names, "/"))
	}
}

func (r *Reader) listFolders(ctx context.Context, p webflow.ListAssetFoldersParams) (webflow.ListAssetFoldersResult, error) {
	var res webflow.ListAssetFoldersResult
	err := r.call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.ListAssetFolders(ctx, p)
		return res.Meta, err
	})
	return res, err
}

// complete records that all pages were read.
func (s *scan) complete(ctx context.Context, locale string, assets int) error {
	if s.folder != "" {
		return nil
	}
	return s.cfg.DB.SaveReading(ctx, s.site().ID, db.SiteReading{
		LocaleID: locale, BeganAt: s.pass.Since, Assets: int64(assets), Calls: int64(max(pagesOf(assets), 1)),
	})
}
