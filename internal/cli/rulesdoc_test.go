package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// shellWords splits a command of the documents as a shell does.
func shellWords(command string) (words []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(command, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}

// Each command of docs/rules.md works.
func TestRulesDocument(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules.md"))
	require.NoError(t, err)
	b := setupNames(t)
	const team, year, products = "6390c49774a71f99f21a08eb", "6390c49774a71f99f21a08ec", "6390c49774a71f99f21a08ed"
	b.api.AddFolder(team, "Team", "")
	b.api.AddFolder(year, "2026", team)
	b.api.AddFolder(products, "Products", "")
	b.api.MoveAsset(standin.AssetID(0), team)
	b.api.MoveAsset(standin.AssetID(1), products)
	commands := regexp.MustCompile("(?m)^    relabel (r.*)$|\\| `relabel (rename .*)` \\|$").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(commands), 14)
	last := ""
	for _, c := range commands {
		words := shellWords(strings.ReplaceAll(c[1]+c[2], `\|`, "|"))
		if words[0]+words[1] == "ruledelete" { // the schedule of the same block needs it
			continue
		}
		b.ok(words...)
		last = strings.Join(words, " ")
	}
	require.Contains(t, last, "--alt-template")
	b.ok(shellWords(`schedule add nightly --rule tidy --cron "0 2 * * *" --max-change 200`)...)
}
