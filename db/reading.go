package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// SiteReading is the last complete reading of a site's pages in one locale. An asset
// whose state is older has left the site since.
type SiteReading struct {
	LocaleID string
	BeganAt  time.Time // by the database's clock: the states are at least as new
	Assets   int64
	Calls    int64
}

// SaveReading records that all pages of a site were read. An older reading never replaces
// a newer one.
func (db *DB) SaveReading(ctx context.Context, siteID int, r SiteReading) error {
	_, err := db.Pool().Exec(ctx, `
		INSERT INTO site_reading (site_id, locale_id, began_at, assets, calls)
		VALUES (@site, @locale, @began, @assets, @calls)
		ON CONFLICT (site_id, locale_id) DO UPDATE SET
			began_at = excluded.began_at, assets = excluded.assets, calls = excluded.calls
		WHERE site_reading.began_at < excluded.began_at`,
		pgx.NamedArgs{"site": siteID, "locale": r.LocaleID, "began": r.BeganAt, "assets": r.Assets, "calls": r.Calls})
	if err != nil {
		return fmt.Errorf("error recording the reading of the site: %w", err)
	}
	return nil
}

// Readings lists the last complete reading of a site in each locale.
func (db *DB) Readings(ctx context.Context, siteID int) ([]SiteReading, error) {
	return pg.Collect[SiteReading](ctx, db.Pool(), "looking for a reading of the site", `
		SELECT locale_id, began_at, assets, calls FROM site_reading WHERE site_id = @site ORDER BY locale_id`,
		pgx.NamedArgs{"site": siteID})
}

// RecordSent writes what relabel has sent since then into the states of the site, so that
// an earlier reading can still be used. A state stays as it is if Webflow's lastUpdated
// says that it was read after the change.
//
// It reads rename_ended_idx since then, of all sites.
func (db *DB) RecordSent(ctx context.Context, siteID int, since time.Time) error {
	if _, err := db.Pool().Exec(ctx, statement("record_sent"), pgx.NamedArgs{"site": siteID, "since": since}); err != nil {
		return fmt.Errorf("error recording what was sent since the reading: %w", err)
	}
	return nil
}

// forgetReadings forgets what is known of a site whose settings now name another site of
// Webflow.
const forgetReadings = `
	other AS (
		SELECT id FROM site
		WHERE name = @name AND (webflow_site_id IS DISTINCT FROM @webflow_site_id OR api_url IS DISTINCT FROM @api_url)
	), no_reading AS (
		DELETE FROM site_reading r USING other o WHERE r.site_id = o.id
	), no_folder AS (
		DELETE FROM asset_folder f USING other o WHERE f.site_id = o.id
	), `
