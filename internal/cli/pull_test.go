package cli

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// foldersOf reads the column folder of a pull, by asset.
func foldersOf(t *testing.T, text string) map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	folders := map[string]string{}
	for _, r := range records[1:] {
		folders[r[0]] = r[len(r)-1]
	}
	return folders
}

// The folder column holds paths, and --folder lets the API choose the assets.
func TestPullFolders(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 350})
	id := standin.AssetID
	team, year, twin, slash := id(9001), id(9002), id(9003), id(9004)
	b.api.AddFolder(team, "Team", "")
	b.api.AddFolder(year, "2026", team)
	b.api.AddFolder(twin, "Team", "")
	b.api.AddFolder(slash, "Team/2026", "")
	b.api.MoveAsset(id(0), team)
	b.api.MoveAsset(id(1), year)
	b.api.MoveAsset(id(2), twin)
	all := foldersOf(t, b.ok("pull").stdout)
	require.Len(t, all, 350)
	require.Equal(t, []string{"Team", "Team/2026", "Team", ""}, []string{all[id(0)], all[id(1)], all[id(2)], all[id(3)]})

	before := b.api.Calls()
	require.Equal(t, map[string]string{id(0): "Team", id(1): "Team/2026"}, foldersOf(t, b.ok("pull", "--folder", team).stdout), "and what is below it")
	require.Equal(t, before+2, b.api.Calls(), "the folders and one page instead of four")
	require.Equal(t, map[string]string{id(2): "Team"}, foldersOf(t, b.ok("pull", "--folder", twin).stdout))
	require.Len(t, foldersOf(t, b.ok("pull", "--folder", "/").stdout), 347, "the root alone")

	b.run("pull", "--folder", "/Team/").fails(exitError, `2 folders have the path "/Team/": give the id of one of them`, team, twin)
	b.run("pull", "--folder", "Team/2026").fails(exitError, `2 folders have the path "Team/2026"`, year, slash)
	b.run("pull", "--folder", "Taem").fails(exitError, `the site has no folder "Taem"; a similar name is "Team"`)
}
