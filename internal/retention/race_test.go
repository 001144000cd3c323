package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/retention"
)

// Two processes prune while others retry the same rows and load newer ones: the counters
// stay true, what superseded_by names stays, and so does the newest row of each target.
func TestPruneBesideOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	targets := []string{"a", "b", "c", "d", "e", "f"}
	for range 5 {
		p := dbtest.Params(b.site.ID, dbtest.Rows(targets...))
		p.Force = true
		l := dbtest.Load(t, b.DB, p)
		for i, id := range l.IDs {
			dbtest.Settle(t, b.DB, id, []db.RowStatus{db.RowSucceeded, db.RowFailed}[i%2])
		}
	}
	until := time.Now().Add(time.Second)
	loop := func(act func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			for time.Now().Before(until) {
				if err := act(ctx); err != nil {
					return err
				}
			}
			return nil
		}
	}
	all := pool.New().WithErrors().WithContext(t.Context()).WithCancelOnError()
	for range 2 {
		all.Go(loop(func(ctx context.Context) error {
			p := b.params()
			p.Before = b.now.Add(time.Hour)
			_, err := retention.Prune(ctx, p)
			return err
		}))
	}
	all.Go(loop(func(ctx context.Context) error {
		_, err := records.RetryRows(ctx, b.DB, records.RowFilter{Site: b.site.Name, Statuses: db.MayRetry()}, nil)
		return err
	}))
	all.Go(loop(func(ctx context.Context) error {
		id, err := b.Load(ctx, dbtest.Params(b.site.ID, dbtest.Rows(targets...)))
		if err != nil {
			return err
		}
		_, err = b.CancelBatch(ctx, id, nil)
		return err
	}))
	require.NoError(t, all.Wait())
	dbtest.RequireCountsAddUp(t, b)
	require.Empty(t, dbtest.List[int64](t, b, `
		SELECT r.id FROM rename r WHERE r.superseded_by IS NOT NULL AND NOT EXISTS (SELECT FROM rename n WHERE n.id = r.superseded_by)`))
	require.Len(t, dbtest.List[string](t, b, `SELECT DISTINCT asset_id FROM rename WHERE fence > 0`), len(targets))
}
