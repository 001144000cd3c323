package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"relabel/internal/standin"
	"relabel/internal/xlsx"
)

// workbook writes a workbook into the working folder, as a spreadsheet would.
func (b *testBundle) workbook(name string, rows ...[]any) {
	b.t.Helper()
	f := excelize.NewFile()
	defer f.Close() //nolint:errcheck // has no temporary file
	for i, row := range rows {
		require.NoError(b.t, f.SetSheetRow("Sheet1", xlsx.Reference(0, int64(i+1)), &row))
	}
	require.NoError(b.t, f.SaveAs(filepath.Join(b.dir, name)))
}

// edit changes a cell of a workbook, as a spreadsheet would.
func (b *testBundle) edit(name, cell, value string) {
	b.t.Helper()
	f, err := excelize.OpenFile(filepath.Join(b.dir, name))
	require.NoError(b.t, err)
	defer f.Close() //nolint:errcheck // has no temporary file
	require.NoError(b.t, f.SetCellStr(f.GetSheetName(0), cell, value))
	require.NoError(b.t, f.SetAppProps(&excelize.AppProperties{Application: "Microsoft Excel"}))
	require.NoError(b.t, f.Save())
}

// A pulled workbook that nobody edits costs no call; an edited row costs one.
func TestPullWorkbook(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 250})
	for i, text := range hardTexts() {
		if text == "a\u0007bell" {
			continue
		}
		b.api.SetName(standin.AssetID(i), "", text)
		b.api.SetAltText(standin.AssetID(i+100), "", text)
	}
	b.api.SetName(standin.AssetID(249), "", "") // it has no alt text either, as two more
	r := b.ok("pull", "-o", "assets.xlsx")
	require.Contains(t, r.stderr, "250 rows written to assets.xlsx; edit them, then: relabel plan assets.xlsx")
	p := b.ok("plan", "assets.xlsx", "--json", "--quiet").json()
	require.Equal(t, []any{247., 0., 0., 0.}, []any{p["rows"], p["calls"], p["invalid"], p["unknown"]})

	b.ok("pull", "-o", "assets.xlsx") // relabel's own file
	b.edit("assets.xlsx", "B251", "new.jpg")
	b.run("pull", "-o", "assets.xlsx").fails(exitUsage, "relabel did not write assets.xlsx", "--overwrite")
	p = b.ok("plan", "assets.xlsx", "--json").json()
	require.Equal(t, []any{247., 1.}, []any{p["rows"], p["calls"]})
	change := p["changes"].([]any)[0].(map[string]any)
	require.Equal(t, []any{251., "new.jpg"}, []any{change["line"], change["display_name"]})
	b.ok("pull", "-o", "assets.xlsx", "--overwrite")

	b.api.SetName(standin.AssetID(3), "", "a\u0007bell")
	before := b.read("assets.xlsx")
	b.run("pull", "-o", "assets.xlsx").fails(exitError, "writing assets.xlsx: the cell B", " (display_name) has the control character U+0007, which Excel can't hold: write a .csv")
	require.Equal(t, before, b.read("assets.xlsx"))
	files, err := os.ReadDir(b.dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestResultsWorkbook(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: len(nastyNames())})
	b.api.FailAsset(standin.AssetID(0), standin.Repeat(1, standin.Status(400))...)
	rows := [][]any{{"asset_id", "display_name"}}
	for i, name := range nastyNames() {
		rows = append(rows, []any{standin.AssetID(i), name})
	}
	b.workbook("names.xlsx", rows...)
	b.run("run", "names.xlsx").exits(exitTrouble)
	b.ok("results", "1", "-o", "all.xlsx")
	b.ok("verify", "1", "-o", "verified.xlsx")
	b.ok("verify", "1", "-o", "verified.xlsx") // relabel's own file
	for i := range nastyNames() {
		b.api.SetName(standin.AssetID(i), "", "changed by hand")
	}
	b.ok("run", "all.xlsx", "--force")
	for i, name := range nastyNames() {
		require.Equal(t, name, b.api.Name(standin.AssetID(i), ""))
	}
	require.EqualValues(t, len(nastyNames())-1, b.ok("plan", "verified.xlsx", "--json").json()["rows"])
	for _, args := range [][]string{{"--json"}, {"--format", "csv"}, {"--format", "jsonl"}} {
		b.run(append([]string{"results", "1", "-o", "x.XLSX"}, args...)...).fails(exitUsage, "-o x.XLSX writes an Excel workbook: give it without --format and --json")
	}
}

// The problems of a workbook have the rows of the sheet, and name the cell.
func TestLoadWorkbook(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	b.workbook("names.xlsx", []any{"asset_id", "display_name"}, []any{standin.AssetID(0), "a.jpg"}, []any{}, []any{6.17e23, "b.jpg"})
	r := b.run("enqueue", "names.xlsx")
	r.fails(exitError, "names.xlsx: 1 row is invalid, so nothing was loaded")
	require.Contains(t, r.stderr, `error: line 4, asset_id "6.17E+23": cell A4: the spreadsheet made a number of the id: format the column as text`)
	require.Equal(t, "2\n", b.pipe(b.read("names.xlsx"), "enqueue", "-", "--skip-invalid").stdout)
	require.Equal(t, 4., b.ok("rows", "list", "--status", "invalid", "--json").json()["rows"].([]any)[0].(map[string]any)["line"])

	b.edit("names.xlsx", "A4", standin.AssetID(1))
	f, err := excelize.OpenFile(filepath.Join(b.dir, "names.xlsx"))
	require.NoError(t, err)
	_, err = f.NewSheet("Team")
	require.NoError(t, err)
	require.NoError(t, f.SetSheetRow("Team", "A1", &[]any{"asset_id", "display_name"}))
	require.NoError(t, f.SetSheetRow("Team", "A2", &[]any{standin.AssetID(2), "team.jpg"}))
	require.NoError(t, f.Save())
	r = b.ok("run", "names.xlsx")
	require.Contains(t, r.stderr, `names.xlsx has 2 sheets, and only the first visible one is read: "Sheet1"; --sheet reads another one`)
	r = b.ok("run", "names.xlsx", "--sheet", "team")
	require.NotContains(t, r.stderr, "2 sheets")
	require.Equal(t, []string{"a.jpg", "b.jpg", "team.jpg"}, []string{b.api.Name(standin.AssetID(0), ""), b.api.Name(standin.AssetID(1), ""), b.api.Name(standin.AssetID(2), "")})
	b.run("run", "names.xlsx", "--sheet", "x").fails(exitError, `names.xlsx: the workbook has no sheet "x"; it has "Sheet1", "Team"`)
	b.run("run", "--sql", "SELECT 1", "--sheet", "x").fails(exitUsage, "--sheet chooses a sheet of an Excel file: give the file as SOURCE")
	b.file("names.csv", names(1))
	b.run("run", "names.csv", "--sheet", "x").fails(exitError, `names.csv: is no Excel workbook, so it has no sheet "x"`)
}
