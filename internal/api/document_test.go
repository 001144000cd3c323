package api

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // a flag of the tests
var update = flag.Bool("update", false, "write docs/openapi.json instead of comparing it")

// TestOpenAPIIsCurrent holds docs/openapi.json against the operations. After a change:
// go test ./internal/api -run TestOpenAPIIsCurrent -update
func TestOpenAPIIsCurrent(t *testing.T) {
	want, err := New(Config{}).Document()
	require.NoError(t, err)
	file := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		require.NoError(t, os.WriteFile(file, append(want, '\n'), 0o600))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want)+"\n", strings.ReplaceAll(string(got), "\r\n", "\n"), "docs/openapi.json is out of date: see this test's comment")
}
