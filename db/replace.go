package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Replacement is how a plan differs from the batch whose place it is to take:
// the plan's rows by what they mean, and what the other one loses.
type Replacement struct {
	Kept     int64 `json:"kept"`     // not sent yet, and the same in both
	Replaced int64 `json:"replaced"` // not sent yet, with other values now
	Added    int64 `json:"added"`    // of targets that the old batch does not name
	Removed  int64 `json:"removed"`  // not sent yet, and not in the plan: they are cancelled
	Sent     int64 `json:"sent"`     // the target has the value already: no call
	Again    int64 `json:"again"`    // the old batch's row has ended, and not with this value: a new call
	InFlight int64 `json:"in_flight"`
}

// Replacement compares a planned batch with another one of its site, which may
// be at work meanwhile: then it is only nearly right, and Apply goes by what is
// true at its time.
//
// One look-up in rename_target_idx a row of either.
func (db *DB) Replacement(ctx context.Context, planID, oldID int64) (Replacement, error) {
	list, err := collect[Replacement](ctx, db.pool, "comparing the batches", `
		WITH ours AS (
			SELECT n.status, o.id AS old, o.id IS NOT NULL AND o.finished_at IS NULL AS open,
				n.display_name IS NOT DISTINCT FROM o.display_name AND n.alt_text IS NOT DISTINCT FROM o.alt_text AS same
			FROM batch b JOIN rename n ON n.id BETWEEN b.first_id AND b.last_id AND n.batch_id = b.id
			LEFT JOIN LATERAL (
				SELECT * FROM rename o
				WHERE o.asset_id = n.asset_id AND o.locale_id = n.locale_id AND o.site_id = n.site_id
					AND o.batch_id = @old AND o.status <> 'invalid'
				ORDER BY o.id DESC LIMIT 1
			) o ON true
			WHERE b.id = @plan AND n.status IN ('pending', 'unchanged')
		), theirs AS (
			SELECT o.lease_until > clock_timestamp() AS flying, EXISTS (
				SELECT FROM rename n
				WHERE n.asset_id = o.asset_id AND n.locale_id = o.locale_id AND n.site_id = o.site_id
					AND n.batch_id = @plan AND n.status NOT IN ('invalid', 'superseded')) AS named
			FROM rename o WHERE o.batch_id = @old AND o.finished_at IS NULL
		)
		SELECT count(*) FILTER (WHERE status = 'pending' AND open AND same) AS kept,
			count(*) FILTER (WHERE status = 'pending' AND open AND NOT same) AS replaced,
			count(*) FILTER (WHERE status = 'pending' AND old IS NULL) AS added,
			count(*) FILTER (WHERE status = 'unchanged') AS sent,
			count(*) FILTER (WHERE status = 'pending' AND NOT open AND old IS NOT NULL) AS again,
			(SELECT count(*) FROM theirs WHERE NOT named) AS removed,
			(SELECT count(*) FROM theirs WHERE flying) AS in_flight
		FROM ours`, pgx.NamedArgs{"plan": planID, "old": oldID})
	if err != nil || len(list) == 0 {
		return Replacement{}, err
	}
	return list[0], nil
}
