package db

import (
	"context"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
)

// Found are what a verification may find of a row that succeeded, as the site is
// by now.
func Found() []string { return []string{"asked", "normalised", "renamed", "changed", "gone"} }

// Finding is a row that succeeded, and what its target holds now.
type Finding struct {
	Line         int64      `json:"line"`
	AssetID      string     `json:"asset_id"`
	LocaleID     string     `json:"locale_id"`
	Found        string     `json:"found"`
	DisplayName  *string    `json:"display_name"` // as asked for; nil: not set
	FoundName    *string    `json:"found_name"`   // as it is; nil: the asset is gone
	AltText      *string    `json:"alt_text"`
	FoundAltText *string    `json:"found_alt_text"`
	ByBatch      *int64     `json:"by_batch"` // the later batch that renamed it
	LastUpdated  *time.Time `json:"last_updated"`
}

// foundSQL compares the rows of a batch that succeeded with states that were
// read since then. A text that differs is the server's doing where it answered
// our call with it, or where the asset was not updated since; a later batch's
// where that sent it; else somebody else's.
const foundSQL = `
WITH found AS (
	SELECT r.id, r.line, r.asset_id, r.locale_id, r.display_name, r.alt_text,
		s.display_name AS found_name, s.alt_text AS found_alt_text, s.last_updated,
		CASE WHEN s.asset_id IS NULL THEN 'gone'
			WHEN NOT name_differs AND NOT alt_differs THEN 'asked'
			WHEN s.last_updated = r.last_updated
				OR (NOT name_differs OR s.display_name = r.applied_name) AND NOT alt_differs THEN 'normalised'
			WHEN (NOT name_differs OR later.name IS NOT NULL) AND (NOT alt_differs OR later.alt IS NOT NULL) THEN 'renamed'
			ELSE 'changed' END AS found,
		greatest(later.name, later.alt) AS by_batch
	FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
	LEFT JOIN asset_state s ON s.site_id = r.site_id AND s.locale_id = r.locale_id AND s.asset_id = r.asset_id
		AND s.read_at >= @since AND NOT s.gone
	CROSS JOIN LATERAL (SELECT
		coalesce(r.display_name <> s.display_name, false) AS name_differs,
		coalesce(r.alt_text <> s.alt_text, false) AS alt_differs) d
	CROSS JOIN LATERAL (SELECT
		CASE WHEN name_differs THEN ` + nameSentAfter + `r.finished_at` + newestOfSent + ` END AS name,
		CASE WHEN alt_differs THEN ` + altSentAfter + `r.finished_at` + newestOfSent + ` END AS alt) later
	WHERE b.id = @batch AND r.status = 'succeeded'
) `

// FoundCount is how many rows were found so.
type FoundCount struct {
	Found string
	Rows  int64
}

// CountFound counts what the rows of a batch that succeeded hold now, as read
// since then. It reads the whole batch.
func (db *DB) CountFound(ctx context.Context, batchID int64, since time.Time) ([]FoundCount, error) {
	return collect[FoundCount](ctx, db.pool, "comparing with the site", foundSQL+`
		SELECT found, count(*) AS rows FROM found GROUP BY found`, pgx.NamedArgs{"batch": batchID, "since": since})
}

// Findings streams the rows of a batch that succeeded, in input order, with what
// their targets hold now; found, when given, chooses, and limit 0 is no limit.
// It takes constant memory, and a connection until the end.
func (db *DB) Findings(ctx context.Context, batchID int64, since time.Time, found []string, limit int) iter.Seq2[Finding, error] {
	if found == nil {
		found = []string{}
	}
	return stream[Finding](ctx, db.pool, "comparing with the site", foundSQL+`
		SELECT line, asset_id, locale_id, found, display_name, found_name, alt_text, found_alt_text,
			CASE WHEN found = 'renamed' THEN by_batch END AS by_batch, last_updated
		FROM found WHERE cardinality(@found::text[]) = 0 OR found = ANY (@found)
		ORDER BY id LIMIT nullif(@limit::bigint, 0)`,
		pgx.NamedArgs{"batch": batchID, "since": since, "found": found, "limit": limit})
}
