package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The services can do little but their work. systemd rates them from 0, which is safe, to 10;
// --threshold is ten times that.
func TestServicesAreHardened(t *testing.T) {
	need(t, "systemd-analyze")
	units, err := filepath.Glob("systemd/*.service")
	require.NoError(t, err)
	require.Len(t, units, 2)
	for _, unit := range units {
		run(t, ".", "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25", unit)
	}
}
