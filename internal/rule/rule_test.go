package rule

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// assetsOf makes an asset for each name.
func assetsOf(names ...string) (out []Asset) {
	for i, name := range names {
		out = append(out, Asset{
			ID: fmt.Sprintf("%024x", i+1), Name: name, Original: "upload-" + name, Folder: "Team/2026", Type: "image/jpeg", Size: 48120,
			Created: time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC).Add(-time.Duration(i) * time.Hour),
		})
	}
	return out
}

// outcome lists the renames as "old → new".
func outcome(t *testing.T, r Rule, assets []Asset) (out []string) {
	t.Helper()
	res, err := r.Apply(assets)
	require.NoError(t, err)
	for _, one := range res.Renames {
		text := one.Old
		if one.Name != nil {
			text += " → " + *one.Name
		}
		if one.Alt != nil {
			text += " (" + *one.Alt + ")"
		}
		out = append(out, text)
	}
	return out
}

func find(pairs ...string) (out []Replacement) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Replacement{pairs[i], pairs[i+1]})
	}
	return out
}

func TestChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		change Change
		name   string
		want   string // empty: unchanged
	}{
		{"a group", Change{Replacements: find(`IMG_(\d+)`, "hero-$1")}, "IMG_0042.jpg", "hero-0042.jpg"},
		{"in order", Change{Replacements: find("a", "b", "b", "c")}, "ab.jpg", "cc.jpg"},
		{"a group before an underscore", Change{Replacements: find(`(\d+)`, "$1_x")}, "7.jpg", "7_x.jpg"},
		{"a group before a digit", Change{Replacements: find(`(\d)`, "${1}0")}, "7.jpg", "70.jpg"},
		{"a named group", Change{Replacements: find(`(?P<day>\d+)`, "day ${day}")}, "7.jpg", "day 7.jpg"},
		{"a dollar", Change{Replacements: find("EUR", "$$")}, "5EUR.jpg", "5$.jpg"},
		{"the end is that of the stem", Change{Replacements: find("-copy$", "")}, "team-copy.jpg", "team.jpg"},
		{"a group that took no part", Change{Replacements: find("a(x)?", "b$1")}, "a.jpg", "b.jpg"},
		{"nothing found", Change{Replacements: find("zebra", "x")}, "a.jpg", ""},
		{"the extension is not found", Change{Replacements: find(`\.jpg$`, ".png")}, "a.jpg", ""},
		{"the extension on request", Change{Replacements: find(`\.jpg$`, ".png"), ChangeExtension: true}, "a.jpg", "a.png"},
		{"stem and number", Change{Template: "{stem}-{n:03}{ext}"}, "IMG_1.JPG", "IMG_1-001.JPG"},
		{"the extension comes back", Change{Template: "hero-{n}"}, "a.jpeg", "hero-1.jpeg"},
		{"the extension in lower case", Change{Template: "{stem|lower}{ext|lower}"}, "IMG.JPG", "img.jpg"},
		{"a template without extension on request", Change{Template: "{stem}.webp", ChangeExtension: true}, "a.jpg", "a.webp"},
		{"no extension before", Change{Template: "{stem}-x{ext}"}, "team", "team-x"},
		{"a version is no extension", Change{Template: "{stem}-x{ext}"}, "v1.2", "v1.2-x"},
		{"a hidden file has no extension", Change{Template: "x{stem}{ext}"}, ".htaccess", "x.htaccess"},
		{"two extensions", Change{Template: "{stem|slug}{ext}"}, "site.tar.gz", "site-tar.gz"},
		{"find, then template", Change{Replacements: find("^IMG_", ""), Template: "{stem|slug}{ext}"}, "IMG_Our Team.jpg", "our-team.jpg"},
		{"folder, date, id, size", Change{Template: "{folder}-{date}-{date:YYYYMMDD}-{size}-{id}{ext}"}, "a.jpg", "2026-2026-03-01-20260301-48120-000000000000000000000001.jpg"},
		{"the file's name", Change{Template: "{original}{ext}"}, "a.jpg", "upload-a.jpg"},
		{"braces", Change{Template: "{{{stem}}}{ext}"}, "a.jpg", "{a}.jpg"},
		{"upper case of sharp s", Change{Template: "{stem|upper}{ext}"}, "straße.jpg", "STRASSE.jpg"},
		{"title case", Change{Template: "{stem|words|title}{ext}"}, "our-TEAM_photo.élan.jpg", "Our Team Photo Élan.jpg"},
		{"slug of several scripts", Change{Template: "{stem|slug}{ext}"}, "Größe – Фото 北京.jpg", "grosse-foto-bei-jing.jpg"},
		{"ascii", Change{Template: "{stem|ascii}{ext}"}, "Crème Brûlée.jpg", "Creme Brulee.jpg"},
		{"trim", Change{Template: "{stem|trim}{ext}"}, "  a \u200b.jpg", "a.jpg"},
		{"letters with their accents apart", Change{Replacements: find("é", "e")}, "cafe\u0301.jpg", "cafe.jpg"},
		{"the same with other bytes is unchanged", Change{Template: "{stem}{ext}"}, "cafe\u0301.jpg", ""},
		{"a family stays together", Change{Template: "{stem|upper}-x{ext}"}, "👨‍👩‍👧.jpg", "👨‍👩‍👧-x.jpg"},
		{"a line break in a name", Change{Template: "{stem}-x{ext}"}, "a\nb.jpg", "a b-x.jpg"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			var want []string
			if c.want != "" {
				want = []string{c.name + " → " + c.want}
			}
			require.Equal(t, want, outcome(t, Rule{Change: c.change}, assetsOf(c.name)))
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	assets := assetsOf("IMG_1.jpg", "img_2.png", "café.gif", "a[1].jpg", "team/x.jpg")
	assets[1].Type, assets[1].Alt, assets[1].Size = "image/png", "a dog", 3_000_000
	assets[2].Folder, assets[2].Created = "Team", time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	assets[3].Type, assets[3].Folder = "application/pdf", ""
	assets[4].Folder = "Teams"
	for _, c := range []struct {
		what  string
		match Match
		want  string // the numbers of the assets
	}{
		{"all", Match{}, "12345"},
		{"a glob", Match{Names: []string{"IMG_*"}}, "1"},
		{"a glob in any case", Match{Names: []string{"IMG_*"}, IgnoreCase: true}, "12"},
		{"one of two globs", Match{Names: []string{"IMG_?.jpg", "*.gif"}}, "13"},
		{"a glob is the whole name", Match{Names: []string{"IMG"}}, ""},
		{"a set", Match{Names: []string{"*_[2-9]*"}}, "2"},
		{"not a set", Match{Names: []string{"[!a-z]*"}}, "1"},
		{"a bracket", Match{Names: []string{`a\[1\].*`}}, "4"},
		{"over a slash", Match{Names: []string{"team*"}}, "5"},
		{"accents apart", Match{Names: []string{"cafe\u0301*"}}, "3"},
		{"but not", Match{Exclude: []string{"*.jpg"}}, "23"},
		{"a regular expression", Match{Regex: `_\d`}, "12"},
		{"both", Match{Regex: `_\d`, Names: []string{"*.png"}}, "2"},
		{"a folder and those below", Match{Folders: []string{"/Team/"}}, "123"},
		{"a folder below", Match{Folders: []string{"Team/2026"}}, "12"},
		{"types", Match{Types: []string{"image/*"}}, "1235"},
		{"one type", Match{Types: []string{"IMAGE/png", "application/pdf"}}, "24"},
		{"no alt text", Match{MissingAlt: true}, "1345"},
		{"large", Match{LargerThan: "2MB"}, "2"},
		{"not as large", Match{LargerThan: "3 mb"}, ""},
		{"new", Match{CreatedAfter: "2026-03-02"}, "3"},
		{"new to the hour", Match{CreatedAfter: "2026-03-01T10:00:00+01:00"}, "123"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			res, err := Rule{Match: c.match, Change: Change{Template: "x{id}"}, Sort: SortCreated}.Apply(assets)
			require.NoError(t, err)
			got := map[string]bool{}
			for _, r := range res.Renames {
				got[r.AssetID] = true
			}
			text := ""
			for i, a := range assets {
				if got[a.ID] {
					text += fmt.Sprint(i + 1)
				}
			}
			require.Equal(t, c.want, text)
			require.EqualValues(t, len(c.want), res.Matched)
			require.EqualValues(t, len(assets), res.Assets)
		})
	}
}

func TestWrongRules(t *testing.T) {
	t.Parallel()
	change := Change{Template: "{stem}x{ext}"}
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{}, "template: the rule changes nothing"},
		{Rule{Match: Match{Regex: "a(b"}, Change: change}, `regex: character 2: the "(" has no ")"`},
		{Rule{Match: Match{Regex: "é)b"}, Change: change}, `regex: character 2: the ")" has no "("`},
		{Rule{Match: Match{Regex: `[(]\)(`}, Change: change}, "regex: character 6: "},
		{Rule{Match: Match{Regex: "ab[z-a]"}, Change: change}, "regex: character 4: invalid character class range: z-a"},
		{Rule{Match: Match{Regex: "ab(?=c)"}, Change: change}, "regex: character 3: Go's regular expressions don't have (?="},
		{Rule{Match: Match{Regex: "ab**"}, Change: change}, "regex: character 3: "},
		{Rule{Match: Match{Regex: "*a"}, Change: change}, "regex: character 1: "},
		{Rule{Match: Match{Names: []string{"a[b"}}, Change: change}, "match: character 2: [ has no ]"},
		{Rule{Match: Match{Names: []string{`ab\`}}, Change: change}, `match: character 3: nothing follows the \`},
		{Rule{Match: Match{Names: []string{"[z-a]"}}, Change: change}, "match: "},
		{Rule{Match: Match{Exclude: []string{""}}, Change: change}, "exclude: the pattern is empty"},
		{Rule{Match: Match{Types: []string{"png"}}, Change: change}, `type: "png" is not a type`},
		{Rule{Match: Match{Folders: []string{"/"}}, Change: change}, "folder: "},
		{Rule{Match: Match{LargerThan: "2 sheep"}, Change: change}, `larger-than: "2 sheep" is not a size`},
		{Rule{Match: Match{LargerThan: "NaN"}, Change: change}, "larger-than: "},
		{Rule{Match: Match{CreatedAfter: "yesterday"}, Change: change}, `created-after: "yesterday" is not a date`},
		{Rule{Change: Change{Replacements: find("", "x")}}, "find: the regular expression is empty"},
		{Rule{Change: Change{Replacements: find("a", "x$2")}}, "replace: character 2: --find has no group 2, it has 0"},
		{Rule{Change: Change{Replacements: find("(a)", "x$10")}}, "replace: character 2: --find has no group 10, it has 1"},
		{Rule{Change: Change{Replacements: find("a", "é$x")}}, "replace: character 2: after $ comes"},
		{Rule{Change: Change{Replacements: find("a", "${x")}}, "replace: character 1: "},
		{Rule{Change: Change{Replacements: find("a", "x\ny")}}, "replace: character 2: a control character (U+000A)"},
		{Rule{Change: Change{Template: "é{stam}"}}, "template: character 2: there is no field {stam}: the fields are stem, ext,"},
		{Rule{Change: Change{Template: "{stem|lowr}"}}, `template: character 1: there is no filter "lowr": the filters are ascii,`},
		{Rule{Change: Change{Template: "a{stem"}}, "template: character 2: the { has no }"},
		{Rule{Change: Change{Template: "ab}"}}, "template: character 3: the } has no {"},
		{Rule{Change: Change{Template: "{n:x}{ext}"}}, "template: character 1: {n:x} is not a number of digits"},
		{Rule{Change: Change{Template: "{n:0}{ext}"}}, "template: character 1: {n:0}"},
		{Rule{Change: Change{Template: "{n:99}{ext}"}}, "template: character 1: {n:99}"},
		{Rule{Change: Change{Template: "{date:Q}{ext}"}}, "template: character 1: {date:Q} is not a format"},
		{Rule{Change: Change{Template: "{stem:3}{ext}"}}, "template: character 1: {stem} takes no format"},
		{Rule{Change: Change{Template: "hero-{n}.PNG"}}, "template: character 9: .PNG would be the extension of every asset"},
		{Rule{Change: Change{AltTemplate: "{stem"}}, "alt-template: character 1: "},
		{Rule{Change: Change{Template: "a\xff"}}, "template: the text is not UTF-8"},
		{Rule{Change: Change{Template: "{stem}x{ext}", SkipTaken: true}}, "skip-taken: the template has no {n}"},
		{Rule{Change: change, Sort: "size"}, `sort: "size" is neither name nor created`},
	} {
		err := c.rule.Check()
		require.ErrorContains(t, err, c.want)
		var e *Error
		require.ErrorAs(t, err, &e)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	assets := assetsOf("IMG_10.jpg", "img_2.jpg", "IMG_2.jpg", "Éclair.jpg", "zebra.jpg")
	r := Rule{Change: Change{Template: "{n:02}{ext}"}}
	require.Equal(t, []string{"Éclair.jpg → 01.jpg", "img_2.jpg → 02.jpg", "IMG_2.jpg → 03.jpg", "IMG_10.jpg → 04.jpg", "zebra.jpg → 05.jpg"},
		outcome(t, r, assets))
	r.Sort = SortCreated
	require.Equal(t, []string{"zebra.jpg → 01.jpg", "Éclair.jpg → 02.jpg", "IMG_2.jpg → 03.jpg", "img_2.jpg → 04.jpg", "IMG_10.jpg → 05.jpg"},
		outcome(t, r, assets))
}

func TestCollisions(t *testing.T) {
	t.Parallel()
	assets := assetsOf("IMG_1.jpg", "IMG_2.jpg", "IMG_3.png", "hero.png", "hero-1.jpg", "other.jpg")
	id := func(n int) string { return assets[n].ID }
	apply := func(match string, change Change) Result {
		res, err := Rule{Match: Match{Names: []string{match}}, Change: change}.Apply(assets)
		require.NoError(t, err)
		return res
	}
	res := apply("IMG_*", Change{Template: "hero{ext}"})
	require.Equal(t, []Collision{
		{Name: "hero.jpg", Assets: 2, Such: id(0)},
		{Name: "hero.png", Assets: 2, Exists: true, Such: id(3)},
	}, res.Collisions)
	require.Equal(t, []Collision{{Name: "hero-1.jpg", Assets: 2, Exists: true, Such: id(4)}},
		apply("IMG_*", Change{Template: "hero-{n}{ext}"}).Collisions)
	require.Empty(t, apply("IMG_*", Change{Replacements: find("IMG_3", "x", "IMG_2", "IMG_3", "IMG_1", "IMG_2")}).Collisions,
		"a name that becomes free is free")
	require.Len(t, apply("*", Change{Replacements: find("^other$", "hero-1")}).Collisions, 1, "with one that matches and keeps its name")

	res = apply("IMG_*.jpg", Change{Template: "hero-{n}{ext}", SkipTaken: true})
	require.Empty(t, res.Collisions)
	require.Equal(t, []string{"hero-2.jpg", "hero-3.jpg"}, []string{*res.Renames[0].Name, *res.Renames[1].Name})
}

func TestUnchangedAndLeftOut(t *testing.T) {
	t.Parallel()
	assets := assetsOf("team.jpg", "Our Team.jpg", "!!!.jpg", "🙂.jpg")
	res, err := Rule{Change: Change{Template: "{stem|slug}{ext}"}}.Apply(assets)
	require.NoError(t, err)
	require.EqualValues(t, 1, res.Unchanged)
	require.Len(t, res.Renames, 1)
	require.Len(t, res.LeftOut, 2)
	require.Equal(t, "its new name would be empty", res.LeftOut[0].Reason)

	long, err := Rule{Change: Change{Replacements: find(".", "0123456789$0"), Template: "{stem}{stem}{stem}{stem}{ext}"}}.Apply(assetsOf("a" + fmt.Sprintf("%0500d", 1) + ".jpg"))
	require.NoError(t, err)
	require.Equal(t, "its new name would be longer than 4,096 bytes", long.LeftOut[0].Reason)
}

func TestAltTexts(t *testing.T) {
	t.Parallel()
	assets := assetsOf("our_team-photo.jpg", "b.jpg", "___.jpg")
	assets[1].Alt, assets[2].Alt = "Photo: b", "old"
	r := Rule{Change: Change{AltTemplate: "Photo: {stem|words}"}}
	require.Equal(t, []string{"___.jpg (Photo: )", "our_team-photo.jpg (Photo: our team photo)"}, outcome(t, r, assets))
	r.AltTemplate = "{stem|words}"
	res, err := r.Apply(assets)
	require.NoError(t, err)
	require.Len(t, res.LeftOut, 1)
	require.Len(t, res.Renames, 2)
	r.Template = "x-{n}{ext}"
	require.Contains(t, outcome(t, r, assets), "our_team-photo.jpg → x-3.jpg (our team photo)")
}

func TestParse(t *testing.T) {
	t.Parallel()
	r, err := Parse([]byte(`{"match": ["IMG_*"], "replacements": [{"find": "a", "replace": "b"}], "sort": "created"}`))
	require.NoError(t, err)
	require.Equal(t, Rule{Match: Match{Names: []string{"IMG_*"}}, Change: Change{Replacements: find("a", "b")}, Sort: "created"}, r)
	_, err = Parse([]byte(`{"match": ["IMG_*"], "colour": "red", "template": "{n}"}`))
	require.ErrorContains(t, err, "colour", "a part that this version does not know is not left out")
	_, err = Parse([]byte(`{"template": "{m}"}`))
	require.ErrorContains(t, err, "no field {m}")
}

// Numbers of zeros only come first.
func TestZerosComeFirst(t *testing.T) {
	t.Parallel()
	names := []string{"a.jpg", "IMG_0000.jpg", "IMG_0001.jpg", "IMG_0010.jpg", "IMG_100.jpg", "v1.0.jpg", "v1.1.jpg"}
	sorted := assetsOf("IMG_100.jpg", "v1.1.jpg", "IMG_0001.jpg", "v1.0.jpg", "IMG_0010.jpg", "a.jpg", "IMG_0000.jpg")
	(&program{}).order(sorted)
	for i, want := range names {
		require.Equal(t, want, sorted[i].Name)
	}
}

// Assets that the rule is not for stay, and a new name that one of them has is a collision.
func TestOtherAssets(t *testing.T) {
	t.Parallel()
	assets := assetsOf("a.jpg", "b.jpg", "c.jpg")
	assets[1].Other, assets[2].Other = true, true
	r := Rule{Change: Change{Replacements: find("a", "b")}}
	require.Equal(t, []string{"a.jpg → b.jpg"}, outcome(t, r, assets))
	res, err := r.Apply(assets)
	require.NoError(t, err)
	require.Equal(t, []int64{3, 1}, []int64{res.Assets, res.Matched})
	require.Len(t, res.Collisions, 1)
	require.True(t, res.Collisions[0].Exists)
}
