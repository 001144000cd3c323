package db

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// NamedBy is what assets are found by.
type NamedBy string

// The columns of a source, and the columns of asset_state that they name.
const (
	ByCurrentName      NamedBy = "current_name"
	ByOriginalFileName NamedBy = "original_file_name"
	ByHostedURL        NamedBy = "hosted_url" // without its query string
)

// expression is over asset_state s, as the indexes of migration 014 have it.
func (b NamedBy) expression() string {
	switch b {
	case ByOriginalFileName:
		return "s.original_file_name"
	case ByHostedURL:
		return "split_part(s.hosted_url, '?', 1)"
	}
	return "s.display_name"
}

// RootFolder is the root in AssetName.Folders, where an empty id would be lost.
const RootFolder = "/"

// AssetName is a name to look for.
type AssetName struct {
	Key     int // of the caller's
	Name    string
	Folders []string // ids; nil: any
}

// FindAssetsParams of a search in the states of a site.
type FindAssetsParams struct {
	SiteID int
	By     NamedBy
	Since  time.Time // only states that were read since then
	Names  []AssetName
	Limit  int // assets for each name
}

// FoundAsset is an asset that has one of the names.
type FoundAsset struct {
	Key     int
	AssetID string
	Folder  string // its id; empty at the root
}

// FindAssets finds the assets of names with one statement: a look-up in an index for
// each name. It is planned each time: a plan from the time when the table was empty could
// take another index, and read all assets for each name.
func (db *DB) FindAssets(ctx context.Context, p FindAssetsParams) ([]FoundAsset, error) {
	sql, args := p.statement()
	rows, _ := db.Pool().Query(ctx, sql, pgx.QueryExecModeCacheDescribe, args)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[FoundAsset])
	if err != nil {
		return nil, fmt.Errorf("error finding assets by name: %w", err)
	}
	return found, nil
}

func (p FindAssetsParams) statement() (string, pgx.NamedArgs) {
	keys, names, folders := make([]int, len(p.Names)), make([]string, len(p.Names)), make([]*string, len(p.Names))
	for i, n := range p.Names {
		keys[i], names[i] = n.Key, n.Name
		if n.Folders != nil {
			list := strings.Join(n.Folders, ",")
			folders[i] = &list
		}
	}
	return strings.ReplaceAll(findAssets, "NAME", p.By.expression()),
		pgx.NamedArgs{"site": p.SiteID, "since": p.Since, "keys": keys, "names": names, "folders": folders, "limit": p.Limit}
}

// The cast of site_id, OFFSET 0 and the window instead of a LIMIT leave
// PostgreSQL nothing but the index of the name, whatever it expects of the table.
const findAssets = `
	SELECT key, asset_id, folder FROM (
		SELECT k.key, a.asset_id, a.folder, row_number() OVER (PARTITION BY k.key ORDER BY a.asset_id) AS place
		FROM unnest(@keys::int[], @names::text[], @folders::text[]) AS k (key, name, folders)
		CROSS JOIN LATERAL (
			SELECT s.asset_id, s.folder FROM asset_state s
			WHERE s.locale_id = '' AND left(NAME, 200) COLLATE "C" = left(k.name, 200) AND NAME = k.name
				AND s.site_id::bigint = @site AND s.read_at >= @since AND NOT s.gone
				AND (k.folders IS NULL OR coalesce(nullif(s.folder, ''), '` + RootFolder + `') = ANY (string_to_array(k.folders, ',')))
			OFFSET 0
		) a
	) f
	WHERE place <= @limit
	ORDER BY key, asset_id`

// AssetNames streams the names of a site's assets, at most so many.
func (db *DB) AssetNames(ctx context.Context, siteID int, by NamedBy, since time.Time, limit int) iter.Seq2[string, error] {
	type named struct{ Name string }
	rows := pg.Stream[named](ctx, db.Pool(), "reading the names of assets", fmt.Sprintf(`
		SELECT %s AS name FROM asset_state s
		WHERE s.site_id = @site AND s.locale_id = '' AND s.read_at >= @since AND NOT s.gone
		ORDER BY s.asset_id LIMIT @limit`, by.expression()),
		pgx.NamedArgs{"site": siteID, "since": since, "limit": limit})
	return func(yield func(string, error) bool) {
		for n, err := range rows {
			if !yield(n.Name, err) {
				return
			}
		}
	}
}
