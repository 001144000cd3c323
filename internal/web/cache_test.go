package web

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCache(t *testing.T) {
	t.Parallel()
	now, reads := time.Unix(1_800_000_000, 0), 0
	c := newCache[int](5 * time.Second)
	get := func(state string) int {
		n, err := c.get(7, state, now, func() (int, error) { reads++; return reads, nil })
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 1, get("active"))
	now = now.Add(4 * time.Second)
	require.Equal(t, 1, get("active"))
	require.Equal(t, 2, get("done"), "the page shows the counts of the new state beside it")
	now = now.Add(5 * time.Second)
	require.Equal(t, 3, get("done"))
	c.forget(7)
	require.Equal(t, 4, get("done"), "it was forgotten")
	c.forget(7)
	_, err := c.get(7, "done", now, func() (int, error) { return 0, errors.New("no database") })
	require.Error(t, err)
	require.Equal(t, 5, get("done"), "a failure is not cached")
	for id := range int64(maxCached + 1) {
		_, err := c.get(100+id, "", now, func() (int, error) { return 0, nil })
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(c.byID), maxCached)
}
