package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// Rows without ids go all the way: enqueue, run and plan.
func TestNames(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 250})
	id := standin.AssetID
	b.file("names.csv", "Current name,New\nasset-000001.jpg,one.jpg\nasset-000240.jpg,last.jpg\n")
	r := b.ok("run", "names.csv", "--map", "display_name=New")
	require.Contains(t, r.stderr, "the rows name their assets (current_name): reading the site first, 3 calls")
	require.Equal(t, []string{"one.jpg", "last.jpg"}, []string{b.api.Name(id(0), ""), b.api.Name(id(239), "")})
	require.Equal(t, 4+2, b.api.Calls(), "the folders, three pages, two renames")

	b.file("again.csv", "current_name,display_name\none.jpg,first.jpg\n")
	b.ok("enqueue", "again.csv")
	require.Equal(t, 6, b.api.Calls(), "relabel knows what it has sent")
	b.ok("work", "--until-done")
	require.Equal(t, "first.jpg", b.api.Name(id(0), ""))

	b.file("urls.csv", fmt.Sprintf("hosted_url,alt_text\nhttps://assets.example.com/%s/%s_asset-000003.jpg?w=500,A dog\n", standin.SiteID, id(2)))
	p := b.ok("plan", "urls.csv", "--json").json()
	require.Equal(t, []any{1., "list", 0.}, []any{p["change"], p["read_by"], p["reads"]})
	require.Equal(t, 7, b.api.Calls())
}

// Names that are not clear are listed with what to do about them.
func TestNamesThatAreNotClear(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 3})
	id := standin.AssetID
	b.api.AddFolder(id(901), "Team", "")
	b.api.MoveAsset(id(1), id(901))
	b.api.SetName(id(0), "", "hero.jpg")
	b.api.SetName(id(1), "", "hero.jpg")
	b.file("n.csv", "current_name,display_name\nhero.jpg,new.jpg\nhreo.jpg,x.jpg\n")
	r := b.run("enqueue", "n.csv")
	r.fails(exitError, "2 rows are invalid, so nothing was loaded", "--skip-invalid", "--ambiguous all renames all assets of a name")
	for _, part := range []string{
		`line 2, current_name "hero.jpg": 2 assets have this name: `, id(0) + " at the root", id(1) + ` in "Team"`,
		`line 3, current_name "hreo.jpg": the site has no asset of this name; a similar name is "hero.jpg"`,
	} {
		require.Contains(t, r.stderr, part)
	}
	var out struct{ Problems []map[string]any }
	r = b.run("plan", "n.csv", "--json")
	require.NoError(t, json.NewDecoder(strings.NewReader(r.stdout)).Decode(&out), r.stdout+r.stderr)
	require.Equal(t, []any{2., "current_name", "hero.jpg"}, []any{out.Problems[0]["line"], out.Problems[0]["column"], out.Problems[0]["value"]})

	b.file("hero.csv", "current_name,display_name\nhero.jpg,new.jpg\nasset-000003.jpg,x.jpg\n")
	b.run("run", "hero.csv", "--ambiguous", "none").fails(exitUsage, `--ambiguous is all or skip, not "none"`)
	b.run("run", "hero.csv", "--ambiguous", "skip").exits(exitTrouble)
	require.Equal(t, []string{"hero.jpg", "x.jpg"}, []string{b.api.Name(id(0), ""), b.api.Name(id(2), "")})
	b.file("all.csv", "current_name,display_name\nhero.jpg,new.jpg\n")
	b.ok("run", "all.csv", "--ambiguous", "all")
	require.Equal(t, []string{"new.jpg", "new.jpg"}, []string{b.api.Name(id(0), ""), b.api.Name(id(1), "")})

	b.file("folder.csv", "current_name,folder,display_name\nnew.jpg,Team,team.jpg\n")
	b.ok("run", "folder.csv")
	require.Equal(t, []string{"new.jpg", "team.jpg"}, []string{b.api.Name(id(0), ""), b.api.Name(id(1), "")})
}

// Without a token there is no reading, and nothing is loaded.
func TestNamesWithoutToken(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 3}).with("WEBFLOW_TOKEN", "")
	b.file("n.csv", "current_name,display_name\nasset-000001.jpg,new.jpg\n")
	b.run("enqueue", "n.csv").fails(exitError, "the column current_name needs a reading of the site, asset_id does not", "set WEBFLOW_TOKEN")
	b.file("ids.csv", "asset_id,current_name,display_name\n"+standin.AssetID(0)+",other.jpg,new.jpg\n")
	b.ok("enqueue", "ids.csv")
}
