package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// Each command that a document shows exists, with its flags.
func TestCommandsInDocuments(t *testing.T) {
	t.Parallel()
	span := regexp.MustCompile("`relabel ([a-z][^`|]*)")
	line := regexp.MustCompile(`(?m)^(?:    )?relabel ([a-z][^|#&>\n]*)`)
	quoted := regexp.MustCompile(`"[^"]*"|'[^']*'`) // may hold another program's command
	found := 0
	for path, text := range documents(t) {
		if strings.HasSuffix(path, "CHANGELOG.md") {
			continue // it also names what is gone
		}
		for _, m := range append(span.FindAllStringSubmatch(text, -1), line.FindAllStringSubmatch(blocks(text), -1)...) {
			requireCommand(t, path, strings.Fields(quoted.ReplaceAllString(m[1], "QUOTED")))
			found++
		}
	}
	require.Greater(t, found, 100)
}

// blocks are the lines of a document that are code, indented or fenced.
func blocks(text string) string {
	var code []string
	fenced := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			code = append(code, line)
		}
	}
	return strings.Join(code, "")
}

func requireCommand(t *testing.T, path string, words []string) {
	t.Helper()
	line := "relabel " + strings.Join(words, " ")
	root := newApp(Params{}).rootCommand()
	c, rest, err := root.Find(words)
	require.NoError(t, err, "%s shows %s", path, line)
	require.False(t, c == root || c.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"), "%s shows %s", path, line)
	for _, word := range words {
		name, isFlag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		name = strings.Trim(name, "[],.;:)\"")
		if isFlag && name != "" && name != "help" {
			require.True(t, hasFlag(c, name), "%s shows %s, which has no --%s", path, line, name)
		}
	}
}

func hasFlag(c *cobra.Command, name string) bool {
	return c.Flags().Lookup(name) != nil || c.InheritedFlags().Lookup(name) != nil
}
