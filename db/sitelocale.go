package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SiteLocale is a locale that a site has, or had.
type SiteLocale struct {
	ID    string // empty: the primary locale
	Tag   string // such as fr-FR
	OwnID string // of the primary locale: Webflow's id of it, empty where it has none
}

// KeepLocales stores a site's locales: the id of the primary one, and the tags, so that
// people can search rows by tag. A locale that the site no longer has keeps its tag, as
// rows still name it.
func (db *DB) KeepLocales(ctx context.Context, siteID int, list []SiteLocale) error {
	ids, tags, primary := make([]string, len(list)), make([]string, len(list)), ""
	for i, l := range list {
		ids[i], tags[i] = l.ID, l.Tag
		if l.ID == "" {
			primary = l.OwnID
		}
	}
	_, err := db.Pool().Exec(ctx, `
		WITH kept AS (
			INSERT INTO site_locale (site_id, locale_id, tag)
			SELECT @site, l.id, l.tag FROM unnest(@ids::text[], @tags::text[]) AS l (id, tag)
			ON CONFLICT (site_id, locale_id) DO UPDATE SET tag = excluded.tag
		)
		UPDATE site SET primary_locale_id = nullif(@primary, '')
		WHERE id = @site AND primary_locale_id IS DISTINCT FROM nullif(@primary, '')`,
		pgx.NamedArgs{"site": siteID, "ids": ids, "tags": tags, "primary": primary})
	if err != nil {
		return fmt.Errorf("error keeping the site's locales: %w", err)
	}
	return nil
}

// PrimaryLocale is Webflow's id of a site's primary locale; empty when it has none, or it
// is not known.
func (db *DB) PrimaryLocale(ctx context.Context, siteID int) (id string, err error) {
	err = db.Pool().QueryRow(ctx, `SELECT coalesce(primary_locale_id, '') FROM site WHERE id = $1`, siteID).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("error reading the site's primary locale: %w", err)
	}
	return id, nil
}
