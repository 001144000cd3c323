package records

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Replacement says what happens if a plan replaces a batch: to the plan's rows, and to
// the batch's.
type Replacement struct {
	Kept     int64 `json:"kept"`     // not sent yet, and the same in both
	Replaced int64 `json:"replaced"` // not sent yet, with other values now
	Added    int64 `json:"added"`    // of targets that the old batch does not name
	Removed  int64 `json:"removed"`  // not sent yet, and not in the plan: they are cancelled
	Sent     int64 `json:"sent"`     // the target has the value already: no call
	Again    int64 `json:"again"`    // the old batch's row has ended, and not with this value: a new call
	InFlight int64 `json:"in_flight"`
}

// Replacing compares a plan with another batch of its site (replacement.sql). If that
// batch is being sent, the numbers are soon out of date; Apply decides by the state that
// it finds.
func Replacing(ctx context.Context, d *db.DB, planID, oldID int64) (Replacement, error) {
	list, err := pg.Collect[Replacement](ctx, d.Pool(), "comparing the batches", statement("replacement"), pgx.NamedArgs{"plan": planID, "old": oldID})
	if err != nil || len(list) == 0 {
		return Replacement{}, err
	}
	return list[0], nil
}
