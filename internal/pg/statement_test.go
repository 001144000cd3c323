package pg

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	raw := map[string]string{
		"whole": "-- why\nSELECT (\n\t-- include: part\n) -- kept\n",
		"part":  "-- what\n-- include: inner\n, 'a -- b'\n",
		"inner": "1\n",
	}
	require.Equal(t, "SELECT (\n1\n, 'a -- b'\n) -- kept\n", expand(raw, "whole"))
}
