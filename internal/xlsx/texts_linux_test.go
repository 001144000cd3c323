package xlsx

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// On a full disk the message says what to do.
func TestTextsOnFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, full.Close()) })
	texts := texts{file: full}
	err = texts.add(strings.Repeat("a", inMemory))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "set TMPDIR to a folder with space")
}
