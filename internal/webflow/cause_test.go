package webflow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// TestCancelledForAReason cancels calls as River does when it stops a job: with a cause
// that is not context.Canceled. net/http returns that cause.
func TestCancelledForAReason(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name   string
		fault  standin.Fault
		status int
	}{
		{"before the answer", standin.Hang(), 0},
		{"in its headers", standin.SlowHeaders(time.Minute), 0},
		{"in its body", standin.SlowBody(time.Minute), 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, standin.Config{}, webflow.Config{})
			b.api.FailNext(row.fault)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("the reason")) })
			name := "new name"
			_, err := b.client.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: b.asset, DisplayName: &name})
			require.ErrorIs(t, err, context.Canceled)
			e := asError(t, err)
			require.Equal(t, webflow.KindUnknown, e.Kind)
			require.Equal(t, row.status, e.Meta.Status)
			require.Equal(t, "stopped by us", e.Message)
		})
	}
}
