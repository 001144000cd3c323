package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// PlanFacts are what a plan's rows show beyond their counts.
type PlanFacts struct {
	ReadBy           *string
	Reads            int64
	PlannedAt        *time.Time
	Undoes           *int64
	LosesExtension   int64   // names to send without an extension, where the name before has one
	ChangesExtension int64   // names to send with another extension than the name before
	ExtensionChange  *string // the most frequent change, such as ".jpg → .webp"
	Localized        int64   // names to send for a secondary locale
	LocaleConflicts  int64   // assets that would get different names in different locales
}

// extension is a regular expression. An extension has a letter: the .2 of "v1.2" is none.
const extension = `\.(?=[[:alnum:]]*[[:alpha:]])[[:alnum:]]{1,5}$`

// Facts reads a planned batch once, all of it.
func Facts(ctx context.Context, d *db.DB, batchID int64) (PlanFacts, error) {
	list, err := pg.Collect[PlanFacts](ctx, d.Pool(), "reading the plan", `
		WITH change AS (
			SELECT r.asset_id, r.locale_id, r.display_name,
				lower(substring(r.before_name from @extension)) AS old, lower(substring(r.display_name from @extension)) AS new
			FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
			WHERE b.id = @batch AND r.status = 'pending' AND r.display_name IS NOT NULL
		)
		SELECT b.read_by, b.reads, b.planned_at, b.undoes,
			(SELECT count(*) FROM change WHERE old IS NOT NULL AND new IS NULL) AS loses_extension,
			(SELECT count(*) FROM change WHERE old <> new) AS changes_extension,
			(SELECT mode() WITHIN GROUP (ORDER BY old || ' → ' || new) FROM change WHERE old <> new) AS extension_change,
			(SELECT count(*) FROM change WHERE locale_id <> '') AS localized,
			(SELECT count(*) FROM (
				SELECT FROM change GROUP BY asset_id HAVING min(display_name) <> max(display_name)) c) AS locale_conflicts
		FROM batch b WHERE b.id = @batch`, pgx.NamedArgs{"batch": batchID, "extension": extension})
	if err != nil || len(list) == 0 {
		return PlanFacts{}, err
	}
	return list[0], nil
}

// Change is one row of a plan: the values before and after. A nil value is not changed.
type Change struct {
	RenameID    int64   `json:"-"`
	Line        int64   `json:"line"`
	AssetID     string  `json:"asset_id"`
	LocaleID    string  `json:"locale_id"`
	BeforeName  *string `json:"before_name"`
	DisplayName *string `json:"display_name"`
	BeforeAlt   *string `json:"before_alt_text"`
	AltText     *string `json:"alt_text"`
}

// Changes lists what a plan would send, in input order, after the given line.
// Served by rename_open_idx.
func Changes(ctx context.Context, d *db.DB, batchID, afterLine int64, limit int) ([]Change, error) {
	return pg.Collect[Change](ctx, d.Pool(), "reading the plan's changes", `
		SELECT id AS rename_id, line, asset_id, locale_id, before_name, display_name, before_alt_text AS before_alt, alt_text
		FROM rename WHERE batch_id = @batch AND finished_at IS NULL AND line > @after
		ORDER BY line FETCH FIRST (@limit) ROWS WITH TIES`, pgx.NamedArgs{"batch": batchID, "after": afterLine, "limit": limit})
}
