package usecase_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/intake"
	"relabel/internal/siteread"
	"relabel/internal/standin"
	"relabel/internal/usecase"
)

// named is a load of rows that name assets, and what it said.
type named struct {
	usecase.LoadParams

	problems, notices []string
}

func (b *nameBundle) csv(text string) *named {
	n := &named{}
	n.LoadParams = usecase.LoadParams{
		Site: b.site, Source: usecase.Source{Input: strings.NewReader(text), InputName: "names.csv"}, Planned: true,
		Problem: func(p intake.Problem) {
			n.problems = append(n.problems, fmt.Sprintf("%d %s %q: %s", p.Line, p.Column, p.Value, p.Message))
		},
		Notice: func(err error) { n.notices = append(n.notices, err.Error()) },
	}
	return n
}

// targets are the batch's rows: line, asset and status.
func (b *nameBundle) targets(t *testing.T, batch int64) []string {
	t.Helper()
	return dbtest.List[string](t, b.DB, `SELECT line || ' ' || asset_id || ' ' || status FROM rename WHERE batch_id = $1 ORDER BY id`, batch)
}

func (b *nameBundle) mustLoad(t *testing.T, n *named) usecase.Loaded {
	t.Helper()
	out, err := b.Load(t.Context(), usecase.Actor{}, n.LoadParams)
	require.NoError(t, err, "%v", n.problems)
	return out
}

// Ids of the assets and folders of these tests.
func assetID(n int) string  { return fmt.Sprintf("6400000000000000000%05d", n) }
func folderID(n int) string { return fmt.Sprintf("6600000000000000000%05d", n) }

// family makes a site with folders, and names that several assets have.
func family(t *testing.T) *nameBundle {
	t.Helper()
	b := setupNames(t, standin.Config{})
	for i, f := range [][2]string{{"Team", ""}, {"2026", folderID(1)}, {"Press", ""}, {"Press", ""}} {
		b.api.AddFolder(folderID(i+1), f[0], f[1])
	}
	for i, a := range []struct{ name, folder string }{
		{"IMG_1.jpg", ""},
		{"hero.jpg", ""},
		{"hero.jpg", folderID(1)},
		{"hero.jpg", folderID(2)},
		{"caf\u00e9.png", folderID(2)},
		{"two.jpg", folderID(3)},
		{"two.jpg", folderID(4)},
		{" spaced.jpg ", ""},
	} {
		b.api.AddAsset(assetID(i+1), fmt.Sprintf("file-%d.jpg", i+1))
		b.api.SetName(assetID(i+1), "", a.name)
		b.api.MoveAsset(assetID(i+1), a.folder)
	}
	return b
}

func TestResolve(t *testing.T) {
	for name, tt := range map[string]struct {
		rows      string
		ambiguous string
		want      []string // of the rows: line, asset and status
		problems  []string
	}{
		"a name": {rows: "current_name,display_name\nIMG_1.jpg,x\n", want: []string{"2 " + assetID(1) + " pending"}},
		"a file": {rows: "original_file_name,display_name\nfile-3.jpg,x\n", want: []string{"2 " + assetID(3) + " pending"}},
		"an address": {
			rows: "hosted_url,alt_text\nhttps://assets.example.com/" + standin.SiteID + "/" + assetID(2) + "_file-2.jpg?v=1#top,x\n",
			want: []string{"2 " + assetID(2) + " pending"},
		},
		"spaces and accents": {
			rows: "current_name,display_name\n IMG_1.jpg,x\ncafe\u0301.png,y\n spaced.jpg ,z\n",
			want: []string{"2 " + assetID(1) + " pending", "3 " + assetID(5) + " pending", "4 " + assetID(8) + " pending"},
		},
		"a folder by path and by id, the root, and what is below": {
			rows: "current_name,display_name,folder\nhero.jpg,a,Team\nhero.jpg,b,/Team/2026/\nhero.jpg,c,/\ncafé.png,d,Team\ntwo.jpg,e," + folderID(4) + "\n",
			want: []string{
				"2 " + assetID(3) + " pending", "3 " + assetID(4) + " pending", "4 " + assetID(2) + " pending",
				"5 " + assetID(5) + " pending", "6 " + assetID(7) + " pending",
			},
		},
		"the last row of an asset wins": {
			rows: "current_name,display_name\nIMG_1.jpg,x\nIMG_1.jpg,y\n",
			want: []string{"2 " + assetID(1) + " superseded", "3 " + assetID(1) + " pending"},
		},
		"unknown": {
			rows: "current_name,display_name,folder\nIMG_2.jpg,x,\nIMG_1.jpg,y,Team\nIMG_1.jpg,z,Taem\nzzz,z,\n",
			problems: []string{
				`2 current_name "IMG_2.jpg": the site has no asset of this name; a similar name is "IMG_1.jpg"`,
				`3 current_name "IMG_1.jpg": the site has no asset of this name in the folder "Team", but one elsewhere`,
				`4 folder "Taem": the site has no folder "Taem"; a similar name is "Team"`,
				`5 current_name "zzz": the site has no asset of this name`,
			},
		},
		"ambiguous": {
			rows: "current_name,display_name,folder\nhero.jpg,x,\ntwo.jpg,y,Press\n",
			problems: []string{
				`2 current_name "hero.jpg": 3 assets have this name: ` + assetID(2) + ` at the root, ` + assetID(3) + ` in "Team", ` + assetID(4) +
					` in "Team/2026". Give the asset_id, or the folder in a column folder`,
				`3 current_name "two.jpg": 2 assets have this name: ` + assetID(6) + ` in "Press", ` + assetID(7) +
					` in "Press". Give the asset_id, or the folder in a column folder`,
			},
		},
		"all": {
			rows: "current_name,display_name\nhero.jpg,x\nIMG_1.jpg,y\n", ambiguous: usecase.AmbiguousAll,
			want: []string{
				"2 " + assetID(2) + " pending", "2 " + assetID(3) + " pending", "2 " + assetID(4) + " pending", "3 " + assetID(1) + " pending",
			},
		},
		"skip": {
			rows: "current_name,display_name\nhero.jpg,x\nIMG_1.jpg,y\n", ambiguous: usecase.AmbiguousSkip,
			want: []string{"2 hero.jpg invalid", "3 " + assetID(1) + " pending"},
		},
		"skip refuses all else": {
			rows: "current_name,display_name\nhero.jpg,x\nIMG_2.jpg,y\n", ambiguous: usecase.AmbiguousSkip,
			problems: []string{"2 current_name", "3 current_name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := family(t)
			n := b.csv(tt.rows)
			n.Ambiguous = tt.ambiguous
			if tt.want != nil {
				require.Equal(t, tt.want, b.targets(t, b.mustLoad(t, n).BatchID))
				return
			}
			_, err := b.Load(t.Context(), usecase.Actor{}, n.LoadParams)
			require.ErrorAs(t, err, new(*usecase.RefusedError), "%v", err)
			require.Len(t, n.problems, len(tt.problems))
			for i, p := range tt.problems {
				require.True(t, strings.HasPrefix(n.problems[i], p), n.problems[i])
			}
			require.Zero(t, dbtest.Value[int](t, b.DB, `SELECT count(*) FROM batch`), "whole or nothing")
		})
	}
}

// The plan of rows without ids reads the site once, and not at all while the reading is
// young.
func TestResolveReadsOnce(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 350})
	var rows strings.Builder
	rows.WriteString("current_name,display_name\n")
	for i := range 300 {
		fmt.Fprintf(&rows, "asset-%06d.jpg,new-%d.jpg\n", i+1, i)
	}
	n := b.csv(rows.String())
	sum, err := b.Plan(t.Context(), usecase.Actor{}, n.LoadParams, siteread.Params{})
	require.NoError(t, err)
	require.Equal(t, 5, b.reads(), "four pages, and the folders")
	require.Equal(t, []int64{300, 5}, []int64{sum.Change, sum.Reads})
	require.Equal(t, "list", *sum.ReadBy)
	require.Equal(t, []string{"the rows name their assets (current_name): reading the site first, 4 calls"}, n.notices)
	require.Equal(t, "asset-000001.jpg", *sum.Changes[0].BeforeName)

	sum, err = b.Plan(t.Context(), usecase.Actor{}, b.csv(rows.String()).LoadParams, siteread.Params{})
	require.NoError(t, err)
	require.Equal(t, 5, b.reads())
	require.Equal(t, []int64{300, 0}, []int64{sum.Change, sum.Reads})
}

// The site changes between loads and during one: a name that is not clear by an earlier
// reading is looked for in a new one.
func TestResolveOnAChangingSite(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 5})
	load := func(name string) (asset string, err error) {
		t.Helper()
		out, err := b.Load(t.Context(), usecase.Actor{}, b.csv("current_name,display_name\n"+name+",x\n").LoadParams)
		if err != nil {
			return "", err
		}
		return dbtest.Value[string](t, b.DB, `SELECT asset_id FROM rename WHERE batch_id = $1`, out.BatchID), nil
	}
	first, err := load("asset-000001.jpg")
	require.NoError(t, err)
	require.Equal(t, standin.AssetID(0), first)
	require.Equal(t, 2, b.reads())

	b.api.AddAsset(assetID(1), "uploaded.jpg")
	uploaded, err := load("uploaded.jpg")
	require.NoError(t, err)
	require.Equal(t, assetID(1), uploaded)
	require.Equal(t, 4, b.reads(), "the name was not clear, so the site is read again")

	b.api.RemoveAsset(standin.AssetID(1))
	b.fresh(t, 0)
	_, err = load("asset-000002.jpg")
	require.Error(t, err, "an asset that the last complete reading has not seen is gone")
	require.Equal(t, 8, b.reads())

	b.api.AddAsset(assetID(2), "twin.jpg")
	b.api.AddAsset(assetID(3), "twin.jpg")
	_, err = load("twin.jpg")
	refused := new(usecase.RefusedError)
	require.ErrorAs(t, err, &refused)
	require.EqualValues(t, 1, refused.Ambiguous)
	b.api.SetName(assetID(2), "", "other.jpg")
	twin, err := load("twin.jpg")
	require.NoError(t, err, "somebody has renamed the other one")
	require.Equal(t, assetID(3), twin)
}

// What relabel itself has renamed has its new name at once.
func TestResolveAfterRenames(t *testing.T) {
	b := setupNames(t, standin.Config{Assets: 3})
	b.fresh(t, 0)
	name := "renamed.jpg"
	loaded := dbtest.Load(t, b.DB, dbtest.Params(b.site.ID, func(yield func(*db.SourceRow, error) bool) {
		yield(&db.SourceRow{Line: 2, AssetID: standin.AssetID(0), DisplayName: &name}, nil)
	}))
	dbtest.Settle(t, b.DB, loaded.IDs[0], db.RowSucceeded)
	out := b.mustLoad(t, b.csv("current_name,display_name\nrenamed.jpg,x\n"))
	require.Equal(t, []string{"2 " + standin.AssetID(0) + " pending"}, b.targets(t, out.BatchID))
	require.Equal(t, 2, b.reads(), "without another reading")
}

func TestResolveFails(t *testing.T) {
	b := family(t)
	b.api.SetToken(nameToken, standin.TokenForbidden)
	_, err := b.Load(t.Context(), usecase.Actor{}, b.csv("current_name,display_name\nIMG_1.jpg,x\n").LoadParams)
	require.ErrorIs(t, err, siteread.ErrMayNotRead)
	require.ErrorContains(t, err, "the column current_name needs a reading of the site, asset_id does not")
}

// A rehearsal invents ids: the same for the same name.
func TestResolveInARehearsal(t *testing.T) {
	b := family(t)
	n := b.csv("current_name,display_name,folder\nnobody.jpg,x,\nnobody.jpg,y,\nnobody.jpg,z,Team\n")
	n.Rehearsal = true
	got := b.targets(t, b.mustLoad(t, n).BatchID)
	require.Len(t, got, 3)
	require.Contains(t, got[0], "superseded")
	require.NotEqual(t, strings.Fields(got[1])[1], strings.Fields(got[2])[1])
	require.Zero(t, b.reads())
}
