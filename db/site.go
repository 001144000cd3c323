package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// DefaultSite is the site that exists from the first migration on.
const DefaultSite = "default"

// Site is a Webflow site as it is stored: how to find its token, never the
// token. NULL settings fall to the environment's.
type Site struct {
	ID            int
	Name          string
	WebflowSiteID *string
	TokenEnv      *string
	TokenFile     *string
	APIURL        *string `db:"api_url"`
	RateLimit     *string
	LocaleIn      *string
	Keep          *string  // how long workers keep what has ended, such as 400d; nil: for ever
	NotifyURLs    []string `db:"notify_urls"` // where notices about the site and its batches go
	ParkedAt      *time.Time
	ParkedReason  *string
	PausedAt      *time.Time
	BreakerOpen   bool    // after many failures only a probe is sent now and then
	BreakerError  *string // the last failure
	RefusedIn     *string // living processes whose token was refused, while others go on
}

// Queue is the name of the site's River queue.
func (s Site) Queue() string { return "site-" + s.Name }

const siteSQL = `
	SELECT s.id, s.name, s.webflow_site_id, s.token_env, s.token_file, s.api_url, s.rate_limit, s.locale_in, s.keep,
		s.notify_urls, s.parked_at, s.parked_reason, s.paused_at, b.opened_at IS NOT NULL AS breaker_open, b.last_error AS breaker_error,
		refused_in(s.id) AS refused_in
	FROM site s JOIN breaker b ON b.site_id = s.id `

// ErrNoSite means that no site has that name.
var ErrNoSite = errors.New("no such site")

// SiteByName finds a site; the error is ErrNoSite when there is none.
func (db *DB) SiteByName(ctx context.Context, name string) (Site, error) {
	return oneSite(ctx, db.Pool(), siteSQL+`WHERE s.name = $1`, name)
}

// SiteByID finds a site by its row id.
func (db *DB) SiteByID(ctx context.Context, id int) (Site, error) {
	return oneSite(ctx, db.Pool(), siteSQL+`WHERE s.id = $1`, id)
}

func oneSite(ctx context.Context, q pg.Querier, sql string, arg any) (Site, error) {
	rows, _ := q.Query(ctx, sql, arg)
	site, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Site])
	if errors.Is(err, pgx.ErrNoRows) {
		return site, fmt.Errorf("%w: %v", ErrNoSite, arg)
	}
	if err != nil {
		return site, fmt.Errorf("error reading site %v: %w", arg, err)
	}
	return site, nil
}

// Sites lists all sites by name.
func (db *DB) Sites(ctx context.Context) ([]Site, error) {
	rows, _ := db.Pool().Query(ctx, siteSQL+`ORDER BY s.name`)
	sites, err := pgx.CollectRows(rows, pgx.RowToStructByName[Site])
	if err != nil {
		return nil, fmt.Errorf("error listing sites: %w", err)
	}
	return sites, nil
}

// SiteSettings lists all sites as far as a worker's environment completes them: without
// their state. It costs little, so each worker reads it every few seconds.
func (db *DB) SiteSettings(ctx context.Context) ([]Site, error) {
	rows, _ := db.Pool().Query(ctx, `
		SELECT id, name, webflow_site_id, token_env, token_file, api_url, rate_limit, locale_in, keep FROM site ORDER BY name`)
	sites, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Site])
	if err != nil {
		return nil, fmt.Errorf("error reading the sites' settings: %w", err)
	}
	return sites, nil
}

// CountSites counts all sites.
func CountSites(ctx context.Context, tx pgx.Tx) (n int, err error) {
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM site`).Scan(&n); err != nil {
		return 0, fmt.Errorf("error counting the sites: %w", err)
	}
	return n, nil
}

// SaveSite creates the site or replaces its settings, and updates the lane of the token
// that it was last worked with.
func (db *DB) SaveSite(ctx context.Context, s Site) error {
	err := db.inLaneTx(ctx, func(tx pgx.Tx) error {
		lane, err := saveSite(ctx, tx, s)
		if err != nil || lane == nil {
			return err
		}
		return setLane(ctx, tx, LaneSettings{Fingerprint: *lane, Window: DefaultWindow})
	})
	if err != nil {
		return fmt.Errorf("error saving site %s: %w", s.Name, err)
	}
	return nil
}

func saveSite(ctx context.Context, tx pgx.Tx, s Site) (lane *string, err error) {
	rows, _ := tx.Query(ctx, `
		WITH `+forgetReadings+`s AS (
		INSERT INTO site (name, webflow_site_id, token_env, token_file, api_url, rate_limit, locale_in, keep, notify_urls)
		VALUES (@name, @webflow_site_id, @token_env, @token_file, @api_url, @rate_limit, @locale_in, @keep, @notify_urls)
		ON CONFLICT (name) DO UPDATE SET
			webflow_site_id = excluded.webflow_site_id, token_env = excluded.token_env,
			token_file = excluded.token_file, api_url = excluded.api_url,
			rate_limit = excluded.rate_limit, locale_in = excluded.locale_in, keep = excluded.keep,
			notify_urls = excluded.notify_urls,
			primary_locale_id = CASE WHEN site.webflow_site_id IS NOT DISTINCT FROM excluded.webflow_site_id THEN site.primary_locale_id END
		RETURNING id, lane
		), accepting AS (
			INSERT INTO acceptance (site_id) SELECT id FROM s ON CONFLICT DO NOTHING
		), b AS (
			INSERT INTO breaker (site_id) SELECT id FROM s ON CONFLICT DO NOTHING
		)
		SELECT lane FROM s`,
		pgx.NamedArgs{
			"name": s.Name, "webflow_site_id": s.WebflowSiteID, "token_env": s.TokenEnv,
			"token_file": s.TokenFile, "api_url": s.APIURL, "rate_limit": s.RateLimit, "locale_in": s.LocaleIn, "keep": s.Keep,
			"notify_urls": append([]string{}, s.NotifyURLs...), // never NULL
		})
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[*string])
}

// PauseSite pauses or resumes a site, and reports whether that changed anything.
// Workers see it at their next claim.
func (db *DB) PauseSite(ctx context.Context, siteID int, pause bool) (bool, error) {
	tag, err := db.Pool().Exec(ctx, `
		WITH changed AS (
			UPDATE site SET paused_at = CASE WHEN $2 THEN clock_timestamp() END
			WHERE id = $1 AND (paused_at IS NULL) = $2 RETURNING id
		)
		INSERT INTO event (kind, site_id)
		SELECT CASE WHEN $2 THEN 'site paused' ELSE 'site resumed' END, id FROM changed`, siteID, pause)
	if err != nil {
		return false, fmt.Errorf("error pausing site %d: %w", siteID, err)
	}
	return tag.RowsAffected() > 0, nil
}
