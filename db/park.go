package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// parkWait bounds the wait for the site's row, which a transaction may hold for long. The
// caller tries again, and holds no connection in between.
const parkWait = 2 * time.Second

// ParkSite stops all calls that are made for a site with the token of this
// fingerprint, until the site is unparked: the API refused it just now.
func (db *DB) ParkSite(ctx context.Context, siteID int, fingerprint, reason string) error {
	return db.Park(ctx, Refusal{SiteID: siteID, Lane: fingerprint, Reason: reason})
}

// Refusal is an answer of the API that refused a site's token.
type Refusal struct {
	SiteID int
	Lane   string // the token's fingerprint
	Reason string
	Ago    time.Duration // since the call was sent, with the token of that time
}

// Park is ParkSite for an earlier refusal (park.sql). It waits two seconds at most for
// the site's row, and then fails.
func (db *DB) Park(ctx context.Context, r Refusal) error {
	args := pgx.NamedArgs{"site": r.SiteID, "lane": r.Lane, "reason": r.Reason, "ago": r.Ago, "stale": ProcessStale}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, fmt.Sprint(parkWait.Milliseconds()))
	batch.Queue(`SELECT FROM site WHERE id = @site FOR NO KEY UPDATE`, args) // park.sql must see what its last holder has written
	batch.Queue(statement("park"), args)
	if err := db.Pool().SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("error parking site %d: %w", r.SiteID, err)
	}
	return nil
}

// UnparkForTokens lets those of the sites go on that were parked for another token than
// theirs in lanes, which has the same order. Processes that still have the other token stay
// held.
func (db *DB) UnparkForTokens(ctx context.Context, sites []int, lanes []string) error {
	_, err := db.Pool().Exec(ctx, `
		WITH s AS MATERIALIZED (
			SELECT site.id, site.parked_lane, site.parked_reason
			FROM unnest(@sites::int[], @lanes::text[]) AS w (site_id, lane) JOIN site ON site.id = w.site_id
			WHERE site.parked_at IS NOT NULL AND site.parked_lane <> w.lane
				AND NOT EXISTS (SELECT FROM site_refusal f WHERE f.site_id = w.site_id AND f.lane = w.lane)
			ORDER BY site.id
			FOR NO KEY UPDATE OF site
		), changed AS (
			UPDATE site SET parked_at = NULL, parked_reason = NULL FROM s WHERE site.id = s.id RETURNING site.id
		), held AS (
			INSERT INTO site_refusal (site_id, lane, reason) SELECT id, parked_lane, parked_reason FROM s ON CONFLICT DO NOTHING
		)
		INSERT INTO event (kind, site_id, detail) SELECT 'site unparked', id, 'another token' FROM changed`,
		pgx.NamedArgs{"sites": sites, "lanes": lanes})
	if err != nil {
		return fmt.Errorf("error unparking sites: %w", err)
	}
	return nil
}

// UnparkSite lets calls go on with any token. It reports whether the site was parked, or
// a living process was held.
func (db *DB) UnparkSite(ctx context.Context, siteID int) (changed bool, err error) {
	err = db.Pool().QueryRow(ctx, `
		WITH changed AS (
			UPDATE site SET parked_at = NULL, parked_reason = NULL
			WHERE id = $1 AND parked_at IS NOT NULL RETURNING id
		), freed AS (
			DELETE FROM site_refusal WHERE site_id = $1 RETURNING site_id
		), told AS (
			INSERT INTO event (kind, site_id) SELECT 'site unparked', id FROM changed UNION SELECT 'site unparked', site_id FROM freed
		)
		SELECT EXISTS (SELECT FROM changed) OR refused_in($1) IS NOT NULL`, siteID).Scan(&changed)
	if err != nil {
		return false, fmt.Errorf("error unparking site %d: %w", siteID, err)
	}
	return changed, nil
}

// TokenRefused reports whether claims with a token are held while others go on.
func (db *DB) TokenRefused(ctx context.Context, siteID int, fingerprint string) (refused bool, err error) {
	err = db.Pool().QueryRow(ctx, `SELECT EXISTS (SELECT FROM site_refusal WHERE site_id = $1 AND lane = $2)`, siteID, fingerprint).Scan(&refused)
	if err != nil {
		return false, fmt.Errorf("error looking for a refusal: %w", err)
	}
	return refused, nil
}
