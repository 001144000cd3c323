package throttle

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// asleep is a deadline that has passed on the wall clock only: the machine slept,
// and its monotonic clock stopped.
func asleep() Deadline {
	now := time.Now()
	return Deadline{mono: now.Add(time.Hour), wall: now.Add(-time.Second).Round(0)}
}

func TestDeadlinePasses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := map[string]struct {
		d      Deadline
		passed bool
	}{
		"neither clock":     {DeadlineIn(time.Hour), false},
		"both":              {DeadlineIn(-time.Second), true},
		"at once":           {DeadlineIn(0), true},
		"the machine slept": {asleep(), true},
		"the wall clock was set back": {Deadline{
			mono: now.Add(-time.Second), wall: now.Add(time.Hour).Round(0),
		}, true},
		"none": {Deadline{}, true},
	}
	for name, tt := range tests {
		require.Equal(t, tt.passed, tt.d.Passed(), name)
	}
}

func TestSoonerDeadline(t *testing.T) {
	t.Parallel()
	soon, late := DeadlineIn(time.Minute), DeadlineIn(time.Hour)
	require.Equal(t, soon, soon.Sooner(late))
	require.Equal(t, soon, late.Sooner(soon))
	slept := asleep()
	require.Equal(t, Deadline{mono: soon.mono, wall: slept.wall}, slept.Sooner(soon), "each clock's sooner one")
}

func TestDeadlineEndsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := DeadlineIn(time.Minute).Context(t.Context())
		defer cancel()
		<-ctx.Done()
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// Err sees that the deadline passed while the machine slept, although the context's
// timer has not fired.
func TestDeadlineIsLookedAtWhenAsked(t *testing.T) {
	t.Parallel()
	ctx, cancel := DeadlineIn(time.Hour).Context(t.Context())
	require.NoError(t, ctx.Err())
	cancel()
	require.ErrorIs(t, ctx.Err(), context.Canceled)

	ctx, cancel = asleep().Context(t.Context())
	defer cancel()
	below, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	require.NoError(t, below.Err(), "nobody asked yet")
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	<-ctx.Done()
	<-below.Done()
}
