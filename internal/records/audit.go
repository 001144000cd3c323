package records

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// AuditEntry records a change that a person made.
type AuditEntry struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Who     string    `json:"who"`    // an address, or an account and host
	Person  string    `json:"person"` // the name of a login; may be empty
	Via     string    `json:"via"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail"`
	Rows    *int64    `json:"rows"`
	Result  *string   `json:"result"` // nil: it has not ended, or its process was killed

	// Becomes is the subject once the action is done, such as the batch that a load has
	// made. The action sets it; nil or empty: the subject stays.
	Becomes *string `db:"-" json:"-"`
}

// BatchSubject names a batch as the subject of an entry.
func BatchSubject(id int64) string { return "batch " + strconv.FormatInt(id, 10) }

// Audit runs an action, and records it before and after: no action happens without an
// entry. The action returns how many rows it changed, or a negative number when there
// is nothing to count.
func Audit(ctx context.Context, d *db.DB, e AuditEntry, act func(context.Context) (rows int64, err error)) error {
	var id int64
	err := d.Pool().QueryRow(ctx, `
		INSERT INTO audit (who, person, via, action, subject, detail)
		VALUES (@who, @person, @via, @action, @subject, @detail) RETURNING id`,
		pgx.NamedArgs{
			"who": e.Who, "person": e.Person, "via": e.Via, "action": e.Action, "subject": e.Subject, "detail": e.Detail,
		}).Scan(&id)
	if err != nil {
		return fmt.Errorf("error recording who does this, so it was not done: %w", err)
	}
	rows, actErr := act(ctx)
	result := "done"
	if actErr != nil {
		result = actErr.Error()
	}
	// The action is over, so its entry is completed even if the caller has gone.
	_, err = d.Pool().Exec(context.WithoutCancel(ctx), `
		UPDATE audit SET rows = CASE WHEN @rows >= 0 THEN @rows::bigint END, result = left(@result, 500),
			subject = coalesce(nullif(@becomes::text, ''), subject)
		WHERE id = @id`,
		pgx.NamedArgs{"id": id, "rows": rows, "result": result, "becomes": e.Becomes})
	if actErr == nil && err != nil {
		return fmt.Errorf("it was done, but: error recording that: %w", err)
	}
	return actErr
}

// AuditEntries lists what people did, the newest first: before an id (0: from the
// newest), to one subject or, when that is empty, to all.
func AuditEntries(ctx context.Context, d *db.DB, subject string, before int64, limit int) ([]AuditEntry, error) {
	where := ``
	if subject != "" {
		where = `AND subject = @subject`
	}
	return pg.Collect[AuditEntry](ctx, d.Pool(), "reading who did what", `
		SELECT id, at, who, person, via, action, subject, detail, rows, result FROM audit
		WHERE (@before::bigint = 0 OR id < @before) `+where+`
		ORDER BY id DESC LIMIT @limit`,
		pgx.NamedArgs{"subject": subject, "before": before, "limit": limit})
}

// Loaders finds out who loaded some batches: the name typed at a login, or else the
// account or the address. A batch that no person has loaded is left out.
func Loaders(ctx context.Context, d *db.DB, batches []int64) (map[int64]string, error) {
	type loader struct {
		Batch int64
		Who   string
	}
	list, err := pg.Collect[loader](ctx, d.Pool(), "reading who loaded batches", `
		SELECT DISTINCT ON (b.id) b.id AS batch, coalesce(nullif(a.person, ''), a.who) AS who
		FROM batch b JOIN audit a ON a.subject = 'batch ' || coalesce(b.undoes, b.id) AND a.at <= b.created_at
			AND a.action = ANY (CASE WHEN b.undoes IS NULL THEN ARRAY['load', 'plan', 'upload', 'test'] ELSE ARRAY['undo'] END)
		WHERE b.id = ANY (@batches)
		ORDER BY b.id, a.id DESC`, pgx.NamedArgs{"batches": batches})
	who := map[int64]string{}
	for _, l := range list {
		who[l.Batch] = l.Who
	}
	return who, err
}
