package intake

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNeutralise(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\ta": "'\ta", "\ra": "'\ra", "'=a": "''=a", "''-": "'''-",
		"": "", "a": "a", "a=1": "a=1", "'a": "'a", "'": "'", "''": "''", " a": " a", " '=": " '=",
		" =1": "' =1", "\u00a0\u3000+1": "'\u00a0\u3000+1", "\n": "'\n", "\na": "'\na", "\u200b@a": "'\u200b@a", "\ufeff=1": "'\ufeff=1",
		"a;=b;c": "a;'=b;c", "a; '\"-b": "a;' '\"-b", "a;\tb\t+c": "a;\tb\t'+c", "a\r\n＝b\n\n": "a\r\n'＝b\n\n", "a;b-c; d;'": "a;b-c; d;'",
		" \n=1": "' \n'=1", ";=;=": ";'=;'=", "a;\u200b@b": "a;'\u200b@b", "a;'=b": "a;''=b", "a,=b|=c": "a,=b|=c",
		"＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠a": "'＠a", "' ＝a": "'' ＝a", "\ufffd": "\ufffd", "  ": "  ",
	} {
		require.Equal(t, want, Neutralise(in))
		require.Equal(t, in, restore(want))
	}
}

func TestNeutraliseProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`[=+\-@\t\r\n＝＋－＠'";  a]{0,9}`).Draw(t, "cell") + rapid.String().Draw(t, "rest")
		safe := Neutralise(cell)
		require.Equal(t, cell, restore(safe))
		require.NotRegexp(t, `^([\t\r\n]|\s*[=+@＝＋－＠-])`, safe)
		require.NotRegexp(t, `[;\t\r\n][\s"]*[=+@＝＋－＠-]`, safe)
	})
}

// FuzzNeutralise: every text comes back, and no program that splits it sees the start of a formula.
func FuzzNeutralise(f *testing.F) {
	for _, seed := range []string{"", "=1", "a;=cmd|'/C calc'!A0;b", "\t' =1\r\n\"-b;;＝", " \n=\xff;\xff="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		safe := Neutralise(cell)
		require.Equal(t, cell, restore(safe))
		require.NotRegexp(t, `(^|[;\t\r\n])[\s]*[=+@＝＋－＠-]`, safe)
	})
}

// A spreadsheet that splits at semicolons, whatever the file quotes, runs nothing.
func TestExportsAreSafeBesideSemicolons(t *testing.T) {
	t.Parallel()
	for _, alt := range []string{"a;=cmd|'/C calc'!A0;b", `a, b;"=1+1&"`, "a,\n=1+1", `say "a";+1`} {
		text := exported(ResultsColumns(), map[string]string{"asset_id": id1, "alt_text": alt})
		theirs := csv.NewReader(strings.NewReader(text))
		theirs.Comma, theirs.LazyQuotes, theirs.FieldsPerRecord = ';', true, -1
		records, err := theirs.ReadAll()
		require.NoError(t, err)
		for _, cell := range slices.Concat(records...) {
			require.NotRegexp(t, `^[\s"]*[=+@-]`, cell)
		}
		require.Equal(t, alt, *mustRead(t, text)[0].AltText)
	}
}

// exported writes rows as `results` does.
func exported(columns []string, rows ...map[string]string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(columns) // a strings.Builder takes all
	for _, row := range rows {
		var cells []string
		for _, column := range columns {
			cell := row[column]
			if column == "display_name" || column == "alt_text" {
				cell = TextCell(&cell)
			}
			cells = append(cells, Neutralise(cell))
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return b.String()
}

func TestExportsLoadBack(t *testing.T) {
	t.Parallel()
	for name, columns := range map[string][]string{
		"results": ResultsColumns(),
		"pull":    append(PullColumns(), "folder"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				value := rapid.StringMatching(`[=+\-@';]{0,3}([ -~é😀,"]{0,5}[a-z]|\[(empty|EMPTY)\])`)
				row := map[string]string{
					"asset_id": id1, "locale_id": id2, "display_name": value.Draw(t, "name"), "alt_text": value.Draw(t, "alt"), "error": "=x",
				}
				text := exported(columns, row)
				got, err := NewCSV(strings.NewReader(text), CSVParams{})
				require.NoError(t, err)
				require.True(t, got.Info().Exported)
				require.Empty(t, got.Info().Ignored)
				rows, err := collect(got)
				require.NoError(t, err)
				require.Empty(t, rows[0].Problems)
				require.Equal(t, row["display_name"], *rows[0].DisplayName)
				require.Equal(t, row["alt_text"], *rows[0].AltText)
			})
		})
	}
}

// A user's own file, or own column in an export, is taken byte for byte.
func TestRestoreOnlyOurCells(t *testing.T) {
	t.Parallel()
	rows := mustRead(t, head+id1+",'=a\n")
	require.Equal(t, "'=a", *rows[0].DisplayName)

	header := strings.Join(ResultsColumns(), ";")
	text := header + ";Mine\n;" + id1 + ";;'=a;;;;;;;;'=b\n"
	csv, err := NewCSV(strings.NewReader(text), CSVParams{Map: map[string]string{"alt_text": "Mine"}})
	require.NoError(t, err)
	got, err := collect(csv)
	require.NoError(t, err)
	require.Equal(t, "=a", *got[0].DisplayName)
	require.Equal(t, "'=b", *got[0].AltText)
	require.Equal(t, []string{"Mine"}, append(csv.Info().Ignored, "Mine"))
}
