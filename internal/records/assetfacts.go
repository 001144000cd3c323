package records

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// foldersBelow returns a folder's id and those of all folders below it.
func foldersBelow(ctx context.Context, d *db.DB, siteID int, folder string) ([]string, error) {
	list, err := d.Folders(ctx, siteID)
	return slices.Collect(maps.Keys(db.NewFolderTree(list).Below(folder))), err
}

// AssetType is a content type, with how many assets have it.
type AssetType struct {
	ContentType string
	Assets      int64
}

// AssetTypes lists the content types of a site's assets, the most frequent first. It
// examines maxLook assets.
func AssetTypes(ctx context.Context, d *db.DB, siteID int) ([]AssetType, error) {
	f := AssetFilter{SiteID: siteID}
	args, err := f.args(ctx, d)
	if err != nil {
		return nil, err
	}
	hit := f.hit(args)
	return pg.Collect[AssetType](ctx, d.Pool(), "listing content types", `
		SELECT a.content_type, count(*) AS assets FROM (`+f.walk(AssetsByName, nil, args)+`) a
		WHERE `+hit+` AND a.content_type <> '' GROUP BY a.content_type ORDER BY assets DESC, a.content_type LIMIT 50`, args)
}

// sentSQL lists what was sent to some assets, in the order of acceptance. Served by
// rename_target_idx.
const sentSQL = `
SELECT r.asset_id, coalesce(r.applied_name, r.display_name) AS display_name, r.alt_text, r.finished_at
FROM rename r WHERE r.asset_id = ANY (@ids) AND r.locale_id = '' AND r.site_id = @site AND r.status = 'succeeded' AND r.finished_at > @since
ORDER BY r.id`

// addSent puts into assets what relabel has sent since they were read.
func addSent(ctx context.Context, d *db.DB, siteID int, assets []Asset) error {
	if len(assets) == 0 {
		return nil
	}
	at, ids, since := map[string]*Asset{}, make([]string, len(assets)), assets[0].ReadAt
	for i := range assets {
		ids[i], at[assets[i].AssetID] = assets[i].AssetID, &assets[i]
		if assets[i].ReadAt.Before(since) {
			since = assets[i].ReadAt
		}
	}
	list, err := pg.Collect[struct {
		AssetID     string
		DisplayName *string
		AltText     *string
		FinishedAt  time.Time
	}](ctx, d.Pool(), "reading what was sent", sentSQL, pgx.NamedArgs{"ids": ids, "site": siteID, "since": since})
	for _, sent := range list {
		a := at[sent.AssetID]
		if !sent.FinishedAt.After(a.ReadAt) {
			continue
		}
		a.SentAt = &sent.FinishedAt
		if sent.DisplayName != nil {
			a.DisplayName = *sent.DisplayName
		}
		if sent.AltText != nil {
			a.AltText = *sent.AltText
		}
	}
	return err
}

// AssetsByID reads some assets of a site, those that were ever read and are not known to be
// gone, in no order.
func AssetsByID(ctx context.Context, d *db.DB, siteID int, ids []string) ([]Asset, error) {
	list, err := pg.Collect[Asset](ctx, d.Pool(), "reading assets", byIDSQL, pgx.NamedArgs{"site": siteID, "ids": ids})
	if err != nil {
		return nil, err
	}
	return list, addSent(ctx, d, siteID, list)
}

// byIDSQL looks up each asset. OFFSET 0 keeps PostgreSQL from reading the whole site for a
// join.
const byIDSQL = `SELECT ` + assetColumnsSQL + `
FROM unnest(@ids::text[]) AS wanted (id) CROSS JOIN LATERAL (
	SELECT * FROM asset_state o WHERE o.site_id = @site AND o.locale_id = '' AND o.asset_id = wanted.id OFFSET 0
) a
WHERE NOT a.gone`
