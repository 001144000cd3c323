package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// Folder is a folder of a site's assets.
type Folder struct {
	ID          string `db:"folder_id"`
	DisplayName string
	ParentID    string // empty at the root
	Path        string // the display names from the root, with / between them
}

// SaveFolders replaces the folders of a site by those that were just read. Rows are
// locked in the order of their ids, so that two readings don't deadlock.
func (db *DB) SaveFolders(ctx context.Context, siteID int, folders []Folder) error {
	var ids, names, parents, paths []string
	for _, f := range folders {
		ids, names = append(ids, f.ID), append(names, f.DisplayName)
		parents, paths = append(parents, f.ParentID), append(paths, f.Path)
	}
	args := pgx.NamedArgs{"site": siteID, "ids": ids, "names": names, "parents": parents, "paths": paths}
	err := db.InTx(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`SELECT FROM asset_folder WHERE site_id = @site ORDER BY folder_id FOR UPDATE`, args)
		batch.Queue(`DELETE FROM asset_folder WHERE site_id = @site AND folder_id <> ALL (coalesce(@ids::text[], '{}'))`, args)
		batch.Queue(`
			INSERT INTO asset_folder (site_id, folder_id, display_name, parent_id, path, read_at)
			SELECT @site, id, name, parent, path, clock_timestamp()
			FROM unnest(@ids::text[], @names::text[], @parents::text[], @paths::text[]) AS f (id, name, parent, path)
			ORDER BY id
			ON CONFLICT (site_id, folder_id) DO UPDATE SET
				display_name = excluded.display_name, parent_id = excluded.parent_id, path = excluded.path, read_at = excluded.read_at`, args)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("error recording the site's folders: %w", err)
	}
	return nil
}

// Folders lists the folders of a site, as they were read last, by path.
func (db *DB) Folders(ctx context.Context, siteID int) ([]Folder, error) {
	return pg.Collect[Folder](ctx, db.Pool(), "reading the site's folders", `
		SELECT folder_id, display_name, parent_id, path FROM asset_folder WHERE site_id = @site
		ORDER BY path COLLATE "C", folder_id`, pgx.NamedArgs{"site": siteID})
}

// FolderTree has the folders that are directly below each one, by ids.
type FolderTree map[string][]string

// NewFolderTree arranges the folders of a site.
func NewFolderTree(folders []Folder) FolderTree {
	t := FolderTree{}
	for _, f := range folders {
		t[f.ParentID] = append(t[f.ParentID], f.ID)
	}
	return t
}

// Below returns some folders and all below them, as the API's filter takes them. The root
// is meant alone: an asset there is in no folder.
func (t FolderTree) Below(ids ...string) map[string]bool {
	all := map[string]bool{}
	for todo := slices.Clone(ids); len(todo) > 0; todo = todo[1:] {
		if id := todo[0]; !all[id] {
			all[id] = true
			if id != "" {
				todo = append(todo, t[id]...)
			}
		}
	}
	return all
}

// FoldersMissing reports whether assets of a site are in folders and the folders were not
// read since then.
func (db *DB) FoldersMissing(ctx context.Context, siteID int, since time.Time) (missing bool, err error) {
	err = db.Pool().QueryRow(ctx, `
		SELECT NOT EXISTS (SELECT FROM asset_folder WHERE site_id = @site AND read_at >= @since)
			AND EXISTS (SELECT FROM asset_state WHERE site_id = @site AND locale_id = '' AND read_at >= @since AND folder <> '')`,
		pgx.NamedArgs{"site": siteID, "since": since}).Scan(&missing)
	if err != nil {
		return false, fmt.Errorf("error looking at the site's folders: %w", err)
	}
	return missing, nil
}
