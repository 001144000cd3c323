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
	list, err := collect[Replacement](ctx, db.pool, "comparing the batches", statement("replacement"), pgx.NamedArgs{"plan": planID, "old": oldID})
	if err != nil || len(list) == 0 {
		return Replacement{}, err
	}
	return list[0], nil
}
