package retention

import (
	"context"
	"time"
)

// PruneTimed is Prune, and the longest time of one transaction.
func PruneTimed(ctx context.Context, p Params) (counts []Count, longest time.Duration, err error) {
	r := newRun(p)
	counts, err = r.all(ctx)
	return counts, r.longest, err
}
