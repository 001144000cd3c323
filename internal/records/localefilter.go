package records

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// inLocaleSQL chooses the rows r of a locale by its id. Rows of the primary locale have an
// empty one, and are found by the locale's own id too.
const inLocaleSQL = `(r.locale_id = @locale OR r.locale_id = '' AND r.site_id IN (SELECT p.id FROM site p WHERE p.primary_locale_id = nullif(@locale, '')))`

// taggedSQL chooses the rows r of the locales with a tag. Served by site_locale_tag_idx.
const taggedSQL = `(r.site_id, r.locale_id) IN (SELECT l.site_id, l.locale_id FROM site_locale l WHERE lower(l.tag) = lower(@tag))`

// checkTag refuses a tag that no known locale has. An empty one is allowed.
func checkTag(ctx context.Context, q pg.Querier, tag string) error {
	if tag == "" {
		return nil
	}
	type locale struct{ SiteID int }
	known, err := pg.Collect[locale](ctx, q, "looking for a locale", `
		SELECT site_id FROM site_locale WHERE lower(tag) = lower(@tag) LIMIT 1`, pgx.NamedArgs{"tag": tag})
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return badFilter("no locale %q is known yet: relabel learns tags when it reads a site's locales; the locale's id always works", tag)
	}
	return nil
}
