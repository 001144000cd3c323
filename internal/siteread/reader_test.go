package siteread

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
)

// get reads the first asset.
func (b *testBundle) get(ctx context.Context) error {
	_, err := b.reader.getAsset(ctx, webflow.GetAssetParams{AssetID: standin.AssetID(0)})
	return err
}

func (b *testBundle) lane(t *testing.T) records.LaneState {
	t.Helper()
	state, known, err := records.Lane(t.Context(), b.DB, b.site.Name)
	require.NoError(t, err)
	require.True(t, known)
	return state
}

// requireGrantsSettled checks that the grants of answered calls end a window from now
// at the latest.
func (b *testBundle) requireGrantsSettled(t *testing.T) {
	t.Helper()
	var open int
	require.NoError(t, b.Pool().QueryRow(t.Context(), `
		SELECT count(*) FROM site s JOIN lane l ON l.fingerprint = s.lane JOIN lane_grant g ON g.lane = l.fingerprint
		WHERE s.id = $1 AND g.expires_at > clock_timestamp() + l.call_window`, b.site.ID).Scan(&open))
	require.Zero(t, open)
}

func TestReader(t *testing.T) {
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
			b := setup(t, settings{api: standin.Config{Assets: 1}, limit: 100})
			b.api.FailNext(row.faults...)
			err := b.get(t.Context())
			if row.kind == 0 {
				require.NoError(t, err)
			} else {
				var e *webflow.Error
				require.ErrorAs(t, err, &e, "%v", err)
				require.Equal(t, row.kind, e.Kind)
			}
			require.Equal(t, row.calls, b.api.Calls())
			site, err := b.SiteByName(t.Context(), db.DefaultSite)
			require.NoError(t, err)
			require.Nil(t, site.ParkedReason, "a read parks nobody")
			require.Equal(t, row.calls, b.lane(t).Used, "reads count against the limit")
			b.requireGrantsSettled(t)
		})
	}
}

// TestReaderStops while it waits: for a grant, and for a second try.
func TestReaderStops(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 1}, limit: 1})
	require.NoError(t, b.get(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.get(ctx), context.DeadlineExceeded)

	ended := make(chan error, 1)
	go func() { ended <- b.get(t.Context()) }()
	b.reader.Close()
	require.ErrorIs(t, <-ended, throttle.ErrStopping)
	require.Equal(t, 1, b.api.Calls())
}
