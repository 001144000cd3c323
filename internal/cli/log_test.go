package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// With RELABEL_LOG_FORMAT=json every log line of a worker is an object. No line has the token.
func TestLogAsJSON(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3}).with("RELABEL_LOG_FORMAT", "json").with("RELABEL_LOG", "debug")
	b.enqueue(names(3))
	r := b.ok("work", "--until-done", "--quiet")
	lines := 0
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "{") {
			continue // what the command says itself
		}
		var got struct{ Time, Level, Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &got), line)
		require.NotEmpty(t, got.Time+got.Level+got.Msg)
		lines++
	}
	require.Positive(t, lines)
	require.NotContains(t, r.stderr, "level=")
	require.NotContains(t, r.stderr, testToken)
}
