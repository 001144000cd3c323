package db

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// AssetState is one target of a site, as it was read.
type AssetState struct {
	AssetID          string
	LocaleID         string
	Gone             bool // the API answered 404
	DisplayName      string
	AltText          string
	OriginalFileName string
	ContentType      string
	Size             int64
	HostedURL        string
	Folder           string // its id, empty at the root
	CreatedOn        *time.Time
	LastUpdated      *time.Time
	ReadAt           time.Time

	// Listed means that a list has the state. Only lists have folders: another state
	// keeps the folder that a list had.
	Listed bool `db:"-"`
}

// SaveStates records a page that was read of a site, in one transaction. An older reading
// never replaces a newer one. Rows are locked in the order of their targets, so that
// readings of the same pages don't deadlock.
func (db *DB) SaveStates(ctx context.Context, siteID int, states []AssetState) error {
	batch := &pgx.Batch{}
	for _, s := range slices.SortedFunc(slices.Values(states), byTarget) {
		batch.Queue(`
			INSERT INTO asset_state (site_id, locale_id, asset_id, gone, display_name, alt_text, original_file_name,
				content_type, size, hosted_url, folder, created_on, last_updated, read_at)
			VALUES (@site, @locale_id, @asset_id, @gone, @display_name, @alt_text, @original_file_name,
				@content_type, @size, @hosted_url, @folder, @created_on, @last_updated, @read_at)
			ON CONFLICT (site_id, locale_id, asset_id) DO UPDATE SET
				gone = excluded.gone, display_name = excluded.display_name, alt_text = excluded.alt_text,
				original_file_name = excluded.original_file_name, content_type = excluded.content_type,
				size = excluded.size, hosted_url = excluded.hosted_url, created_on = excluded.created_on,
				folder = CASE WHEN @listed THEN excluded.folder ELSE asset_state.folder END,
				last_updated = excluded.last_updated, read_at = excluded.read_at
			WHERE asset_state.read_at <= excluded.read_at`,
			pgx.NamedArgs{
				"site": siteID, "locale_id": s.LocaleID, "asset_id": s.AssetID, "gone": s.Gone,
				"display_name": s.DisplayName, "alt_text": s.AltText, "original_file_name": s.OriginalFileName,
				"content_type": s.ContentType, "size": s.Size, "hosted_url": s.HostedURL, "folder": s.Folder,
				"created_on": s.CreatedOn, "last_updated": s.LastUpdated, "read_at": s.ReadAt, "listed": s.Listed,
			})
	}
	if err := db.Pool().SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("error recording the state of %d assets: %w", len(states), err)
	}
	return nil
}

func byTarget(a, b AssetState) int {
	return cmp.Or(cmp.Compare(a.LocaleID, b.LocaleID), cmp.Compare(a.AssetID, b.AssetID))
}

// States streams what the site holds in a locale, as read since then, by asset id. It
// takes constant memory, and a connection until the end.
func (db *DB) States(ctx context.Context, siteID int, localeID string, since time.Time) iter.Seq2[AssetState, error] {
	return pg.Stream[AssetState](ctx, db.Pool(), "reading the site's state", `
		SELECT asset_id, locale_id, gone, display_name, alt_text, original_file_name, content_type, size, hosted_url,
			folder, created_on, last_updated, read_at
		FROM asset_state WHERE site_id = @site AND locale_id = @locale AND read_at >= @since AND NOT gone
		ORDER BY asset_id`, pgx.NamedArgs{"site": siteID, "locale": localeID, "since": since})
}

// LocaleTargets counts the targets of a batch in one locale.
type LocaleTargets struct {
	LocaleID string
	Targets  int64
}

// batchTargets chooses the rows r of batch b whose target has to be read: of a plan the
// last row of each target, of other batches the rows that succeeded.
const batchTargets = `
	FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
	WHERE b.id = @batch AND (b.status = 'planned' AND r.status NOT IN ('invalid', 'superseded') OR r.status = 'succeeded') `

// Targets counts a batch's targets by locale. It reads the whole batch.
func (db *DB) Targets(ctx context.Context, batchID int64) ([]LocaleTargets, error) {
	return pg.Collect[LocaleTargets](ctx, db.Pool(), "counting targets", `
		SELECT r.locale_id, count(*) AS targets `+batchTargets+`
		GROUP BY r.locale_id ORDER BY r.locale_id`, pgx.NamedArgs{"batch": batchID})
}

// UnreadTargets are the next targets of a batch in a locale whose state was not
// read since then, after the row with id after: RenameID to go on from, AssetID
// to ask for. Served by rename's and asset_state's primary keys.
func (db *DB) UnreadTargets(ctx context.Context, batchID int64, localeID string, since time.Time, after int64, limit int) ([]UnreadTarget, error) {
	return pg.Collect[UnreadTarget](ctx, db.Pool(), "reading targets", `
		SELECT r.id AS rename_id, r.asset_id `+batchTargets+`
			AND r.locale_id = @locale AND r.id > @after
			AND NOT EXISTS (SELECT FROM asset_state s WHERE s.site_id = r.site_id AND s.locale_id = r.locale_id
				AND s.asset_id = r.asset_id AND s.read_at >= @since)
		ORDER BY r.id LIMIT @limit`,
		pgx.NamedArgs{"batch": batchID, "locale": localeID, "since": since, "after": after, "limit": limit})
}

// UnreadTarget is a target whose state was not read yet.
type UnreadTarget struct {
	RenameID int64
	AssetID  string
}

// CountUnread counts the targets of a batch in a locale whose state was not read
// since then.
func (db *DB) CountUnread(ctx context.Context, batchID int64, localeID string, since time.Time) (n int64, err error) {
	err = db.Pool().QueryRow(ctx, `
		SELECT count(*) `+batchTargets+`
			AND r.locale_id = @locale
			AND NOT EXISTS (SELECT FROM asset_state s WHERE s.site_id = r.site_id AND s.locale_id = r.locale_id
				AND s.asset_id = r.asset_id AND s.read_at >= @since)`,
		pgx.NamedArgs{"batch": batchID, "locale": localeID, "since": since}).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error counting targets: %w", err)
	}
	return n, nil
}
