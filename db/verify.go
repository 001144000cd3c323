package db

import (
	"context"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// Found lists what a verification can find for a row that succeeded.
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

// FoundCount is how many rows have one finding.
type FoundCount struct {
	Found string
	Rows  int64
}

// CountFound counts the findings for a batch, by the states that were read since then. It
// reads the whole batch.
func (db *DB) CountFound(ctx context.Context, batchID int64, since time.Time) ([]FoundCount, error) {
	return pg.Collect[FoundCount](ctx, db.Pool(), "comparing with the site", statement("found")+`
		SELECT found, count(*) AS rows FROM found GROUP BY found`, pgx.NamedArgs{"batch": batchID, "since": since})
}

// Findings streams the rows of a batch that succeeded, in input order, with what
// their targets hold now; found, when given, chooses, and limit 0 is no limit.
// It takes constant memory, and a connection until the end.
func (db *DB) Findings(ctx context.Context, batchID int64, since time.Time, found []string, limit int) iter.Seq2[Finding, error] {
	if found == nil {
		found = []string{}
	}
	return pg.Stream[Finding](ctx, db.Pool(), "comparing with the site", statement("found")+`
		SELECT line, asset_id, locale_id, found, display_name, found_name, alt_text, found_alt_text,
			CASE WHEN found = 'renamed' THEN by_batch END AS by_batch, last_updated
		FROM found WHERE cardinality(@found::text[]) = 0 OR found = ANY (@found)
		ORDER BY id LIMIT nullif(@limit::bigint, 0)`,
		pgx.NamedArgs{"batch": batchID, "since": since, "found": found, "limit": limit})
}
