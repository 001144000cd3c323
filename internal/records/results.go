package records

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Result is one row of a batch as it is reported.
type Result struct {
	Line        int64        `json:"line"`
	AssetID     string       `json:"asset_id"`
	LocaleID    string       `json:"locale_id"`
	DisplayName *string      `json:"display_name"`
	AltText     *string      `json:"alt_text"`
	Status      db.RowStatus `json:"status"`
	HTTPStatus  *int         `json:"http_status"`
	Attempts    int          `json:"attempts"`
	AppliedName *string      `json:"applied_name"`
	Error       *string      `json:"error"`
	FinishedAt  *time.Time   `json:"finished_at"`

	// What the target held before, when that was read; the CSV does not have them.
	BeforeName *string    `json:"before_name"`
	BeforeAlt  *string    `json:"before_alt_text"`
	BeforeAt   *time.Time `json:"before_at"`
}

// resultsSQL reads a batch in input order: ids rise with lines, and the
// primary key serves the range.
const resultsSQL = `
SELECT r.line, r.asset_id, r.locale_id, r.display_name, r.alt_text, r.status,
	r.http_status::int AS http_status, r.calls AS attempts, r.applied_name, r.error, r.finished_at,
	r.before_name, r.before_alt_text AS before_alt, r.before_at
FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
WHERE b.id = @batch AND (cardinality(@statuses::text[]) = 0 OR r.status = ANY (@statuses))
ORDER BY r.id`

// Results streams a batch's rows in input order; statuses, when given, choose.
// It takes constant memory, and a connection until the end.
func Results(ctx context.Context, d *db.DB, batch int64, statuses []db.RowStatus) iter.Seq2[Result, error] {
	return pg.Stream[Result](ctx, d.Pool(), "reading the results", resultsSQL,
		pgx.NamedArgs{"batch": batch, "statuses": append([]db.RowStatus{}, statuses...)})
}

// Normalised counts the rows that succeeded with another name than asked for:
// the server changed it. It reads the whole batch.
func Normalised(ctx context.Context, d *db.DB, batch int64) (n int64, err error) {
	err = d.Pool().QueryRow(ctx, `
		SELECT count(*) FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
		WHERE b.id = $1 AND r.status = 'succeeded' AND r.applied_name <> r.display_name`, batch).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error counting normalised names: %w", err)
	}
	return n, nil
}
