package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func openNames(t *testing.T, text string) (*CSV, error) {
	t.Helper()
	return NewCSV(strings.NewReader(text), CSVParams{Name: "f.csv"})
}

func TestNamedBy(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"asset_id,display_name":                                 "",
		"Current Name,display_name":                             "current_name",
		"display_name,originalFileName,folder":                  "original_file_name",
		"hosted-url,alt_text":                                   "hosted_url",
		"asset_id,display_name,current_name,hosted_url,folder":  "",
		strings.Join(append(PullColumns(), "folder", "x"), ","): "",
	} {
		csv, err := openNames(t, header+"\n"+strings.Repeat(id1+",", strings.Count(header, ","))+id1+"\n")
		require.NoError(t, err, header)
		require.Equal(t, want, csv.NamedBy(), header)
		require.Equal(t, want == "", csv.Reads("asset_id"), header)
		require.Equal(t, want == "original_file_name", csv.Reads("folder"), header)
	}
	csv, err := openNames(t, "asset_id,display_name,current_name,folder\n"+id1+",a,b,c\n")
	require.NoError(t, err)
	require.Equal(t, []string{"current_name", "folder"}, csv.Info().Ignored, "a notice says that they are not read")

	_, err = openNames(t, "current_name,hosted_url,display_name\na,b,c\n")
	require.EqualError(t, err, "f.csv: the columns current_name and hosted_url say which asset is meant: keep one of them")
	_, err = openNames(t, "folder,display_name\na,b\n")
	require.ErrorContains(t, err, "no column says which asset is meant")
}

func TestNames(t *testing.T) {
	t.Parallel()
	csv, err := openNames(t, "current_name,display_name,folder\n"+
		" IMG 1.jpg ,a, Team/2026 \n"+
		",b,\n"+
		strings.Repeat("x", maxName+1)+",c,\n"+
		"e\u0301.png,d,\n"+
		"y\x00,e,\n"+
		"z,,\n")
	require.NoError(t, err)
	rows, err := collect(csv)
	require.NoError(t, err)
	require.Equal(t, []string{" IMG 1.jpg ", "Team/2026", ""}, []string{rows[0].Name, rows[0].Folder, rows[0].AssetID})
	require.False(t, rows[0].Refused())
	require.Equal(t, "e\u0301.png", rows[3].Name, "byte for byte")
	var problems []string
	for _, r := range rows {
		problems = append(problems, told(r.Problems)...)
	}
	require.Equal(t, []string{
		"3 current_name: empty: say which asset is meant",
		"4 current_name: longer than 4096 bytes: no asset has such a name",
		"6 current_name: holds a NUL character: delete it",
		"7 : the row sets nothing: give display_name or alt_text",
	}, problems)
	require.Equal(t, "z", rows[5].AssetID, "what the row says is kept for the report")

	row := Row{Line: 9, Name: strings.Repeat("é", 300), Folder: "Taem"}
	row.RefuseName("folder", "no such folder")
	require.Equal(t, []Problem{{9, "folder", "Taem", "no such folder"}}, row.Problems)
	require.Equal(t, strings.Repeat("é", 120), row.AssetID)
	row.RefuseName("current_name", "no such name")
	require.Equal(t, strings.Repeat("é", 60)+"…", row.Problems[1].Value)
}

// A mapping names the columns too, from the command line and from the dashboard's form.
func TestMappedNames(t *testing.T) {
	t.Parallel()
	text := "Old,New,Where\na.jpg,b.jpg,Team\n"
	sample := ReadSample(strings.NewReader(text), 5)
	require.NotNil(t, sample)
	require.Contains(t, SampleColumns(), "hosted_url")
	mapping := FormatMap(map[string]string{"current_name": "Old", "display_name": "New", "folder": "Where"})
	require.Equal(t, "display_name=New,current_name=Old,folder=Where", mapping)
	parsed, err := ParseMap(mapping)
	require.NoError(t, err)
	csv, err := NewCSV(strings.NewReader(text), CSVParams{Map: parsed})
	require.NoError(t, err)
	rows, err := collect(csv)
	require.NoError(t, err)
	require.Equal(t, []string{"a.jpg", "Team", "b.jpg"}, []string{rows[0].Name, rows[0].Folder, *rows[0].DisplayName})
}
