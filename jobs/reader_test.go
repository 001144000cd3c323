package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// reader makes a reader of the bundle's site, and the call of a read.
func (b *testBundle) reader(t testing.TB) (*jobs.Reader, func(context.Context) (webflow.Meta, error)) {
	t.Helper()
	site := b.siteConfig(t)
	r, err := jobs.NewReader(t.Context(), jobs.ReaderConfig{DB: b.DB, Site: site, CallTimeout: b.callTimeout, Logger: b.logs.logger()})
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r, func(ctx context.Context) (webflow.Meta, error) {
		got, err := site.Client.GetAsset(ctx, webflow.GetAssetParams{AssetID: standin.AssetID(0)})
		return got.Meta, err
	}
}

func TestReader(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name   string
		faults []standin.Fault
		kind   webflow.Kind // 0: it succeeds
		calls  int
	}{
		{"at once", nil, 0, 1},
		{"after a 429", standin.Repeat(1, standin.RateLimited("1")), 0, 2},
		{"after a 500", standin.Repeat(1, standin.Status(500)), 0, 2},
		{"not there", standin.Repeat(1, standin.Status(404)), webflow.KindNotFound, 1},
		{"refused", standin.Repeat(1, standin.Status(401)), webflow.KindUnauthorized, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, settings{api: standin.Config{Assets: 1}})
			b.api.FailNext(row.faults...)
			r, get := b.reader(t)
			err := r.Call(t.Context(), get)
			if row.kind == 0 {
				require.NoError(t, err)
			} else {
				var e *webflow.Error
				require.ErrorAs(t, err, &e, "%v", err)
				require.Equal(t, row.kind, e.Kind)
			}
			require.Equal(t, row.calls, b.api.Calls())
			require.Empty(t, b.parkedReason(t), "a read parks nobody")
			require.Equal(t, row.calls, b.laneState(t).Used, "reads count against the limit")
			b.requireGrantsSettled(t)
		})
	}
}

// TestReaderStops while it waits: for a grant, and for a second try.
func TestReaderStops(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{
		api:  standin.Config{Assets: 1},
		lane: few(1),
	})
	r, get := b.reader(t)
	require.NoError(t, r.Call(t.Context(), get))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.Call(ctx, get), context.DeadlineExceeded)

	ended := make(chan error, 1)
	go func() { ended <- r.Call(t.Context(), get) }()
	r.Close()
	require.ErrorIs(t, <-ended, throttle.ErrStopping)
	require.Equal(t, 1, b.api.Calls())
}
