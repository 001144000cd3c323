package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/pg"
)

// SavedRule is a rule that somebody saved for a site. Package rule reads its definition.
type SavedRule struct {
	Name       string
	Definition string // JSON
	SavedAt    time.Time
	SavedBy    string
}

// Errors of saved rules.
var (
	ErrNoRule     = errors.New("no such rule")
	ErrRuleExists = errors.New("there is a rule of that name already")
	ErrRuleUsed   = errors.New("the rule is used by a schedule")
)

const ruleSQL = `SELECT name, definition::text AS definition, saved_at, saved_by FROM rule WHERE site_id = @site `

// Rules lists the saved rules of a site by name.
func (db *DB) Rules(ctx context.Context, siteID int) ([]SavedRule, error) {
	return pg.Collect[SavedRule](ctx, db.Pool(), "listing rules", ruleSQL+`ORDER BY name`, pgx.NamedArgs{"site": siteID})
}

// RuleByName finds a saved rule; the error is ErrNoRule when there is none.
func (db *DB) RuleByName(ctx context.Context, siteID int, name string) (SavedRule, error) {
	list, err := pg.Collect[SavedRule](ctx, db.Pool(), "reading the rule", ruleSQL+`AND name = @name`,
		pgx.NamedArgs{"site": siteID, "name": name})
	if err != nil {
		return SavedRule{}, err
	}
	if len(list) == 0 {
		return SavedRule{}, fmt.Errorf("%w: %s", ErrNoRule, name)
	}
	return list[0], nil
}

// SaveRule saves a rule. Without replace the error is ErrRuleExists when there is one of
// that name.
func (db *DB) SaveRule(ctx context.Context, siteID int, r SavedRule, replace bool) error {
	tag, err := db.Pool().Exec(ctx, `
		INSERT INTO rule (site_id, name, definition, saved_by) VALUES (@site, @name, @definition::text::jsonb, @by)
		ON CONFLICT (site_id, name) DO UPDATE SET
			definition = excluded.definition, saved_by = excluded.saved_by, saved_at = excluded.saved_at
		WHERE @replace`,
		pgx.NamedArgs{"site": siteID, "name": r.Name, "definition": r.Definition, "by": r.SavedBy, "replace": replace})
	if err != nil {
		return fmt.Errorf("error saving rule %s: %w", r.Name, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: %s", ErrRuleExists, r.Name)
	}
	return nil
}

// DeleteRule deletes a saved rule; the error is ErrRuleUsed while a schedule runs it.
func (db *DB) DeleteRule(ctx context.Context, siteID int, name string) error {
	tag, err := db.Pool().Exec(ctx, `DELETE FROM rule WHERE site_id = $1 AND name = $2`, siteID, name)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == foreignKeyViolation {
		return ErrRuleUsed
	}
	if err != nil {
		return fmt.Errorf("error deleting rule %s: %w", name, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: %s", ErrNoRule, name)
	}
	return nil
}
