package intake

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"relabel/internal/xlsx"
)

// workbook is a workbook with rows in its first sheet, made by another program than relabel.
func workbook(t testing.TB, change func(*excelize.File), rows ...[]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	for i, row := range rows {
		require.NoError(t, f.SetSheetRow("Sheet1", xlsx.Reference(0, int64(i+1)), &row))
	}
	if change != nil {
		change(f)
	}
	data, err := f.WriteToBuffer()
	require.NoError(t, err)
	return data.Bytes()
}

func readWorkbook(t testing.TB, data []byte, params CSVParams) ([]Row, error) {
	t.Helper()
	f, err := NewFile(iotest.HalfReader(bytes.NewReader(data)), params)
	if err != nil {
		return nil, err
	}
	rows, err := collect(f)
	require.NoError(t, f.Close())
	return rows, err
}

func TestWorkbookRows(t *testing.T) {
	t.Parallel()
	data := workbook(t, nil,
		[]any{}, []any{nil, "Asset ID", "note", "displayName", nil, "alt text"},
		[]any{"left of the header", id1, "mine", "a.jpg", "below no name", "a dog"},
		[]any{}, []any{nil, "  ", nil, ""}, []any{nil, strings.ToUpper(id2), nil, 2026, nil, true},
		[]any{nil, nil, "a note alone"})
	rows, err := readWorkbook(t, data, CSVParams{Name: "f.xlsx"})
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, []string{"a.jpg", "a dog", id1}, []string{*rows[0].DisplayName, *rows[0].AltText, rows[0].AssetID})
	require.EqualValues(t, 3, rows[0].Line)
	require.Equal(t, []string{"2026", "TRUE", id2}, []string{*rows[1].DisplayName, *rows[1].AltText, rows[1].AssetID})
	require.EqualValues(t, 6, rows[1].Line)
	require.Empty(t, rows[1].Problems)
	require.Empty(t, rows[1].Warnings)
	require.True(t, rows[2].Refused())
	require.EqualValues(t, 7, rows[2].Line)
}

// A row names the cell of what is wrong in it.
func TestWorkbookProblems(t *testing.T) {
	t.Parallel()
	number := func(f *excelize.File) {
		format, err := f.NewStyle(&excelize.Style{NumFmt: 1})
		require.NoError(t, err)
		require.NoError(t, f.SetCellStyle("Sheet1", "A4", "A4", format))
		require.NoError(t, f.SetCellFormula("Sheet1", "B7", "A1&A2"))
		date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		require.NoError(t, err)
		require.NoError(t, f.SetCellStyle("Sheet1", "B9", "B9", date))
	}
	rows, err := readWorkbook(t, workbook(t, number,
		[]any{"asset_id", "display_name", "locale_id"},
		[]any{"63F1", "short"}, []any{6.17e23, "an id as a number"}, []any{6.17012345678901e23, "shown with all digits"},
		[]any{id1, 4006381333931000, 6.5e23}, []any{id1, "two\nlines"}, []any{id1}, []any{id1}, []any{id1, 46380}, []any{12345, "x"}, []any{nil, "x"},
	), CSVParams{})
	require.NoError(t, err)
	const id = "the spreadsheet made a number of the id: format the column as text and fill the ids in again, or begin with the file of `relabel pull -o assets.xlsx`"
	var got []string
	for _, row := range rows {
		got = append(got, told(row.Problems)...)
	}
	require.Equal(t, []string{
		"2 asset_id: cell A2: an asset id has 24 hexadecimal digits (0-9, a-f), this has 4 characters",
		"3 asset_id: cell A3: " + id,
		"4 asset_id: cell A4: " + id,
		"5 display_name: cell B5: the spreadsheet keeps only 15 digits of a number: format the cell as text and type the number again",
		"5 locale_id: cell C5: " + id,
		"6 display_name: cell B6: character 4 is a line break: a name is one line, delete it",
		"7 display_name: cell B7: the formula has no stored value: open the workbook in a spreadsheet and save it",
		"8 : the row sets nothing: give display_name or alt_text",
		"10 asset_id: cell A10: an asset id has 24 hexadecimal digits (0-9, a-f), this has 5 characters",
		"11 asset_id: cell A11: no asset id: give the asset's id, 24 hexadecimal digits",
	}, got)
	require.Equal(t, []string{`9 display_name: cell B9: a number or date is taken as shown, "12-24-26": format the cell as text if you mean another one`}, told(rows[7].Warnings))
	require.Equal(t, "12-24-26", *rows[7].DisplayName)
}

func TestWorkbookErrorCell(t *testing.T) {
	t.Parallel()
	data := workbook(t, nil, []any{"asset_id", "display_name"}, []any{id1, true})
	require.Contains(t, string(unzip(t, data)["xl/worksheets/sheet1.xml"]), `t="b"><v>1</v>`)
	data = rezip(t, data, "xl/worksheets/sheet1.xml", `t="b"><v>1</v>`, `t="e"><v>#N/A</v>`)
	rows, err := readWorkbook(t, data, CSVParams{})
	require.NoError(t, err)
	require.Equal(t, []string{"2 display_name: cell B2: the formula ends in an error: correct it, or clear the cell"}, told(rows[0].Problems))
	require.Equal(t, "#N/A", rows[0].Problems[0].Value)
}

func TestWorkbookSheet(t *testing.T) {
	t.Parallel()
	data := workbook(t, func(f *excelize.File) {
		_, err := f.NewSheet("Team")
		require.NoError(t, err)
		require.NoError(t, f.SetSheetRow("Team", "A1", &[]any{"asset_id", "display_name"}))
		require.NoError(t, f.SetSheetRow("Team", "A2", &[]any{id2, "team.jpg"}))
	}, []any{"asset_id", "alt_text"}, []any{id1, "a dog"})
	for sheet, want := range map[string]string{"": id1, "Team": id2, "team": id2} {
		f, err := NewFile(bytes.NewReader(data), CSVParams{Sheet: sheet})
		require.NoError(t, err)
		require.Equal(t, 2, f.Info().Sheets)
		rows, err := collect(f)
		require.NoError(t, err)
		require.Equal(t, want, rows[0].AssetID)
		require.NoError(t, f.Close())
	}
	_, err := NewFile(bytes.NewReader(data), CSVParams{Name: "f.xlsx", Sheet: "x"})
	require.EqualError(t, err, `f.xlsx: the workbook has no sheet "x"; it has "Sheet1", "Team"`)
	_, err = NewFile(strings.NewReader(head+id1+",a\n"), CSVParams{Name: "f.csv", Sheet: "Team"})
	require.EqualError(t, err, `f.csv: is no Excel workbook, so it has no sheet "Team"`)
}

func TestWorkbookErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":   {workbook(t, nil), `f.xlsx: sheet "Sheet1" is empty: it needs a header row, such as asset_id,display_name, and rows below it`},
		"no rows": {workbook(t, nil, []any{"asset_id", "display_name"}), "f.xlsx has a header but no rows below it: nothing to load"},
		"columns": {workbook(t, nil, []any{"Ref", "display_name"}, []any{id1, "a"}), `f.xlsx: no column says which asset is meant (asset_id, or instead current_name, original_file_name or hosted_url); the header is "Ref", "display_name": rename the column, or use --map`},
		"header":  {workbook(t, nil, []any{id1, "a"}), "f.xlsx: no column says which asset is meant (asset_id, or instead current_name, original_file_name or hosted_url); the header has none of relabel's columns: the first row looks like data: put a header row above it"},
		"cut":     {workbook(t, nil, []any{"asset_id", "display_name"})[:1000], "f.xlsx: the workbook is damaged (zip: not a valid zip file)"},
		"in gzip": {[]byte(zipped(t, string(workbook(t, nil)))), "f.xlsx: is an Excel workbook or another zip file in a .gz: unpack the .gz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readWorkbook(t, tc.data, CSVParams{Name: "f.xlsx"})
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestWorkbookSample(t *testing.T) {
	t.Parallel()
	data := workbook(t, nil, []any{"Asset #ID", nil, "New name"}, []any{id1, "x", "a\nb"}, []any{nil, nil, "c"})
	_, err := NewFile(bytes.NewReader(data), CSVParams{})
	var mapping *MappingError
	require.ErrorAs(t, err, &mapping)
	require.Equal(t, []string{"Asset #ID", "New name"}, mapping.Sample.Header)
	require.Equal(t, [][]string{{id1, `a\u000ab`}, {"", "c"}}, mapping.Sample.Rows)
	require.Equal(t, map[string]string{"asset_id": "Asset #ID"}, mapping.Sample.Guesses)
	rows, err := readWorkbook(t, data, CSVParams{Map: map[string]string{"asset_id": "Asset #ID", "alt_text": "New name"}})
	require.NoError(t, err)
	require.Equal(t, "a\nb", *rows[0].AltText)
}

// A CSV of relabel's that was saved as a workbook still has its quotes. A workbook of relabel's own has none.
func TestWorkbookRestores(t *testing.T) {
	t.Parallel()
	row := []any{"1", id1, "", "asked", "'=x"}
	columns := []any{}
	for _, name := range VerifyColumns() {
		columns = append(columns, name)
	}
	rows, err := readWorkbook(t, workbook(t, nil, columns, row), CSVParams{})
	require.NoError(t, err)
	require.Equal(t, "=x", *rows[0].DisplayName)
	ours := func(f *excelize.File) {
		require.NoError(t, f.SetDocProps(&excelize.DocProperties{Creator: xlsx.Creator}))
	}
	rows, err = readWorkbook(t, workbook(t, ours, columns, row), CSVParams{})
	require.NoError(t, err)
	require.Equal(t, "'=x", *rows[0].DisplayName)
}

// A workbook on disk is read in place, one that comes as a stream from a temporary file that is gone afterwards.
func TestWorkbookFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	data := workbook(t, nil, []any{"asset_id", "display_name"}, []any{id1, "a"})
	path := filepath.Join(t.TempDir(), "names") // the name says nothing
	require.NoError(t, os.WriteFile(path, data, 0o600))
	f, err := OpenFile(path, CSVParams{})
	require.NoError(t, err)
	rows, err := collect(f)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.NoError(t, f.Close())
	_, err = readWorkbook(t, data, CSVParams{})
	require.NoError(t, err)
	_, err = readWorkbook(t, data[:500], CSVParams{})
	require.Error(t, err)
	files, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestWorkbookStops(t *testing.T) {
	t.Parallel()
	f, err := NewFile(bytes.NewReader(workbook(t, nil, []any{"asset_id", "display_name"}, []any{id1, "a"})), CSVParams{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	cancel()
	for rows, err := range f.Chunks(ctx) {
		require.Empty(t, rows)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, f.Close())
}

// Cells that share one long text do not fill memory.
func TestWorkbookLongTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 30_000) // Excel's limit is 32,767
	header := []any{"asset_id", "alt_text"}
	rows := [][]any{header}
	for range 100 {
		rows = append(rows, []any{id1, long})
	}
	f, err := NewFile(bytes.NewReader(workbook(t, nil, rows...)), CSVParams{})
	require.NoError(t, err)
	n := 0
	for chunk, err := range f.Chunks(t.Context()) {
		require.NoError(t, err)
		require.LessOrEqual(t, len(chunk), chunkBytes/len(long)+1)
		require.True(t, chunk[0].Refused())
		n += len(chunk)
	}
	require.Equal(t, 100, n)
	require.NoError(t, f.Close())
	for range 100 {
		header = append(header, long)
	}
	_, err = NewFile(bytes.NewReader(workbook(t, nil, header)), CSVParams{Name: "f.xlsx"})
	require.EqualError(t, err, "f.xlsx: the header is longer than 1 MiB: give a sheet of rows below short names")
}
