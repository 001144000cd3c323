package records

import (
	"context"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Asset is an asset of a site as relabel last read it. What relabel has sent since is in it.
type Asset struct {
	AssetID          string
	DisplayName      string
	AltText          string
	OriginalFileName string
	ContentType      string
	Size             int64
	HostedURL        string
	FolderID         string     // empty: it is in no folder
	Folder           string     // its path
	CreatedOn        *time.Time // when it was uploaded
	LastUpdated      *time.Time // as of the reading
	SentAt           *time.Time // when relabel renamed it, if that was after the reading
	ReadAt           time.Time
}

// AssetQuery asks for a page of assets.
type AssetQuery struct {
	AssetFilter

	Sort   AssetSort
	Cursor string // AssetPage.Next of the page before; empty: the first page
	Limit  int
}

// AssetPage is a page of assets. Like a page of rows it may end before it is full: then
// Looked assets were examined for it, and Next goes on after them.
type AssetPage struct {
	Assets []Asset
	Next   string // the cursor of the next page; empty: this is the last one
	Looked int64
}

// SiteReading is the last complete reading of a site in the primary locale.
type SiteReading struct {
	BeganAt *time.Time // nil: the site was never read as a whole
	Assets  int64
	Calls   int64
}

// LastReading reads when a site was last read as a whole.
func LastReading(ctx context.Context, d *db.DB, siteID int) (SiteReading, error) {
	list, err := pg.Collect[SiteReading](ctx, d.Pool(), "reading when the site was read",
		`SELECT began_at, assets, calls FROM site_reading WHERE site_id = @site AND locale_id = ''`, pgx.NamedArgs{"site": siteID})
	if err != nil || len(list) == 0 {
		return SiteReading{}, err
	}
	return list[0], nil
}

// assetColumnsSQL are the columns of Asset, from asset_state a.
const assetColumnsSQL = `
	a.asset_id, a.display_name, a.alt_text, a.original_file_name, a.content_type, a.size, a.hosted_url, a.folder AS folder_id,
	coalesce((SELECT f.path FROM asset_folder f WHERE f.site_id = @site AND f.folder_id = a.folder), '') AS folder,
	a.created_on, a.last_updated, NULL::timestamptz AS sent_at, a.read_at`

// assetsSQL reads one page of hits; assetsEndSQL reads the last asset that was examined.
func assetsSQL(f AssetFilter, sort AssetSort, from *assetPlace, args pgx.NamedArgs) string {
	hit := f.hit(args)
	return `SELECT ` + assetColumnsSQL + `
FROM (` + f.walk(sort, from, args) + `) a WHERE ` + hit + ` ORDER BY ` + sort.order("a.key", "a.asset_id") + ` LIMIT @limit`
}

func assetsEndSQL(f AssetFilter, sort AssetSort, from *assetPlace, args pgx.NamedArgs) string {
	return `SELECT a.asset_id, a.display_name, a.last_updated FROM (` + f.walk(sort, from, args) + `) a OFFSET @look - 1`
}

// Assets reads a page of assets.
func Assets(ctx context.Context, d *db.DB, q AssetQuery) (page AssetPage, err error) {
	from, err := parseAssetPlace(q.Cursor, q.Sort)
	if err != nil {
		return page, err
	}
	args, err := q.args(ctx, d)
	if err != nil {
		return page, err
	}
	args["limit"] = q.Limit + 1
	page.Assets, err = pg.Collect[Asset](ctx, d.Pool(), "reading assets", assetsSQL(q.AssetFilter, q.Sort, from, args), args)
	if err != nil {
		return page, err
	}
	if len(page.Assets) > q.Limit {
		page.Assets = page.Assets[:q.Limit]
		last := page.Assets[q.Limit-1]
		page.Next = q.Sort.after(last.AssetID, last.DisplayName, last.LastUpdated)
	} else if page.Next, err = q.end(ctx, d, from, args); err != nil {
		return page, err
	} else if page.Next != "" {
		page.Looked = maxLook
	}
	return page, addSent(ctx, d, q.SiteID, page.Assets)
}

// args are the arguments that every statement about a filter has.
func (f AssetFilter) args(ctx context.Context, d *db.DB) (pgx.NamedArgs, error) {
	last, err := LastReading(ctx, d, f.SiteID)
	if err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"site": f.SiteID, "began": time.Unix(0, 0), "look": maxLook}
	if last.BeganAt != nil {
		args["began"] = *last.BeganAt
	}
	if f.Folder != nil {
		args["folders"], err = foldersBelow(ctx, d, f.SiteID, *f.Folder)
	}
	return args, err
}

// end is the cursor after the last asset that was examined, if there may be more.
func (q AssetQuery) end(ctx context.Context, d *db.DB, from *assetPlace, args pgx.NamedArgs) (string, error) {
	list, err := pg.Collect[struct {
		AssetID, DisplayName string
		LastUpdated          *time.Time
	}](ctx, d.Pool(), "reading assets", assetsEndSQL(q.AssetFilter, q.Sort, from, args), args)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return q.Sort.after(list[0].AssetID, list[0].DisplayName, list[0].LastUpdated), nil
}

// CountAssets counts the assets that a filter chooses, among the first maxLook.
func CountAssets(ctx context.Context, d *db.DB, f AssetFilter) (RowCount, error) {
	args, err := f.args(ctx, d)
	if err != nil {
		return RowCount{}, err
	}
	hit := f.hit(args)
	list, err := pg.Collect[struct{ Rows, Looked int64 }](ctx, d.Pool(), "counting assets",
		`SELECT count(*) FILTER (WHERE `+hit+`) AS rows, count(*) AS looked FROM (`+f.walk(AssetsByName, nil, args)+`) a`, args)
	if err != nil || len(list) == 0 {
		return RowCount{}, err
	}
	return RowCount{Rows: list[0].Rows, Looked: list[0].Looked, Exact: list[0].Looked < maxLook}, nil
}

// EachAsset reads all assets that a filter chooses, by name, a thousand at a time.
func EachAsset(ctx context.Context, d *db.DB, f AssetFilter) iter.Seq2[Asset, error] {
	return func(yield func(Asset, error) bool) {
		for q := (AssetQuery{AssetFilter: f, Sort: AssetsByName, Limit: 1000}); ; {
			page, err := Assets(ctx, d, q)
			if err != nil {
				yield(Asset{}, err)
				return
			}
			for _, a := range page.Assets {
				if !yield(a, nil) {
					return
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return
			}
		}
	}
}
