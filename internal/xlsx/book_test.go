package xlsx

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"
)

// parts is a workbook as the files of its zip. The empty ones of the usual parts are left out.
type parts map[string]string

// workbook is a workbook with one sheet of the given rows.
func workbook(rows string) parts {
	return parts{
		"xl/workbook.xml":            `<workbook xmlns:r="r"><sheets><sheet name="Names" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": relations("worksheet:worksheets/sheet1.xml", "sharedStrings:sharedStrings.xml", "styles:/xl/styles.xml"),
		"xl/worksheets/sheet1.xml":   `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`,
	}
}

func relations(kinds ...string) string {
	var b strings.Builder
	b.WriteString(`<Relationships>`)
	for i, kind := range kinds {
		kind, target, _ := strings.Cut(kind, ":")
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%s" Target="%s"/>`, i+1, kind, target)
	}
	return b.String() + `</Relationships>`
}

func (p parts) with(name, text string) parts {
	p[name] = text
	return p
}

func (p parts) zip(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range p {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = io.WriteString(f, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func openBytes(t testing.TB, data []byte) (*Book, error) {
	t.Helper()
	b, err := Open(bytes.NewReader(data), int64(len(data)))
	if err == nil {
		t.Cleanup(func() { _ = b.Close() })
	}
	return b, err
}

// read returns the cells of a sheet as "B2=text".
func read(t testing.TB, data []byte, sheet string) (out []string, err error) {
	t.Helper()
	b, err := openBytes(t, data)
	if err != nil {
		return nil, err
	}
	s, err := b.Sheet(sheet)
	if err != nil {
		return nil, err
	}
	rows, err := b.Rows(s)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // only read from
	for {
		number, cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		for _, c := range cells {
			text, err := b.Text(c)
			if err != nil {
				return out, err
			}
			out = append(out, Reference(c.Column, number)+"="+text)
		}
	}
}

func TestCells(t *testing.T) {
	t.Parallel()
	const styles = `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
		<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts>
		<cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="10"/><xf numFmtId="1"/></cellXfs></styleSheet>`
	data := workbook(`
		<row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c></row>
		<row><c t="inlineStr"><is><t>in</t><r><t>line</t></r></is></c><c t="str"><f>A1&amp;"x"</f><v>a&lt;b _x0041_</v></c></row>
		<row r="7" hidden="1"><c r="A7"><v>
2026 </v></c><c r="B7" s="1"><v>46380</v></c><c r="C7" s="2"><v>0.125</v></c>
			<c r="D7" t="b"><v>1</v></c><c r="E7" t="e"><v>#N/A</v></c><c r="F7"><f>1+1</f></c><c r="G7"><v>0.30000000000000004</v></c>
			<c r="H7"><v>6.17012345678901E+23</v></c><c r="I7" s="3"><v>6.17E+23</v></c><c r="J7" s="1"/><c r="K7" t="d"><v>2026-11-27</v></c></row>
		<row r="8"><c r="A8" s="3"/></row>`).
		with("xl/sharedStrings.xml", `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><x:sst xmlns:x="m" count="2"><x:si><x:t xml:space="preserve"> one </x:t></x:si>`+
			`<x:si><x:r><x:rPr><x:b/></x:rPr><x:t>bo</x:t></x:r><x:r><x:t>th</x:t></x:r><x:rPh sb="0"><x:t>hint</x:t></x:rPh></x:si></x:sst>`).
		with("xl/styles.xml", styles).zip(t)
	cells, err := read(t, data, "")
	require.NoError(t, err)
	require.Equal(t, []string{
		"A2= one ", "C2=both", "A3=inline", "B3=a<b A", "A7=2026", "B7=2026-12-24", "C7=12.50%", "D7=TRUE", "E7=#N/A", "F7=", "G7=0.3",
		"H7=6.17012345678901E+23", "I7=6.17E+23", "K7=2026-11-27",
	}, cells)
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a_x000D_\nb": "a\r\nb", "_x005F_x0041_": "_x0041_", "a_xb": "a_xb", "_x00": "_x00", "_x00zz_": "_x00zz_", "_x_x0041_": "_xA", "_x+041_": "_x+041_",
	} {
		require.Equal(t, want, unescape(text), text)
	}
}

func TestSheets(t *testing.T) {
	t.Parallel()
	p := workbook(`<row r="1"><c t="inlineStr"><is><t>hidden</t></is></c></row>`).
		with("xl/workbook.xml", `<workbook><sheets><sheet name="Old" state="hidden" id="rId1"/><sheet name="Chart" id="rId2"/>`+
			`<sheet name="Team" id="rId3"/><sheet name="team" id="rId1"/></sheets></workbook>`).
		with("xl/_rels/workbook.xml.rels", relations("worksheet:worksheets/sheet1.xml", "chartsheet:chartsheets/sheet1.xml", "worksheet:/xl/worksheets/sheet2.xml")).
		with("xl/chartsheets/sheet1.xml", `<chartsheet/>`).
		with("xl/worksheets/sheet2.xml", `<worksheet><sheetData><row><c t="str"><v>team</v></c></row></sheetData></worksheet>`)
	for name, want := range map[string]string{"": "team", "Team": "team", "team": "hidden", "OLD": "hidden", "old": "hidden"} {
		cells, err := read(t, p.zip(t), name)
		require.NoError(t, err)
		require.Equal(t, []string{"A1=" + want}, cells, name)
	}
	_, err := read(t, p.zip(t), "Chart")
	require.EqualError(t, err, `the workbook has no sheet "Chart"; it has "Old", "Team", "team"`)
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	const row = `<row r="1"><c r="A1" t="s"><v>0</v></c></row>`
	for name, tc := range map[string]struct {
		parts parts
		want  string
	}{
		"no end":          {workbook(row).with("xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1"></row>`), `sheet "Names" after row 1: it ends early`},
		"cut":             {workbook(row).with("xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1"><c r="A1"><v>1`), `after row 1: it ends early`},
		"cut in a tag":    {workbook(row).with("xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1"><c r="A`), `XML syntax error`},
		"control":         {workbook(`<row r="1"><c t="inlineStr"><is><t>` + "\x0b" + `</t></is></c></row>`), `illegal character code U+000B`},
		"back":            {workbook(`<row r="1"/><row r="1"/>`), `sheet "Names" after row 1: row 1 follows`},
		"too many rows":   {workbook(`<row r="1048577"/>`), `row 1048577 follows`},
		"no row":          {workbook(`<row r="x"/>`), `after row 0`},
		"no text":         {workbook(row), `there is no text number 0`},
		"no number":       {workbook(`<row><c t="s"><v>x</v></c></row>`), `there is no text number "x"`},
		"reference":       {workbook(`<row><c r="17"><v>1</v></c></row>`), `a cell has a wrong reference`},
		"wide reference":  {workbook(`<row><c r="XFE1"><v>1</v></c></row>`), `a cell has a wrong reference`},
		"same cell twice": {workbook(`<row><c r="B1"/><c r="A1"/></row>`), `there is no place for the cell A1`},
		"strings end":     {workbook(row).with("xl/sharedStrings.xml", `<sst><si><t>a</t></si>`), `xl/sharedstrings.xml: it ends early`},
		"long text":       {workbook(`<row><c t="str"><v>` + strings.Repeat("x", 2*maxToken) + `</v></c></row>`), `longer than 1 MiB`},
		"long row":        {workbook(`<row>` + strings.Repeat(`<c t="str"><v>`+strings.Repeat("x", maxToken/2)+`</v></c>`, 9) + `</row>`), `the texts of the row are longer than 4 MiB`},
		"style":           {workbook(`<row><c s="9"><v>1</v></c></row>`).with("xl/styles.xml", `<styleSheet/>`), `the styles: `},
		"styles":          {workbook(`<row><c s="1"><v>1</v></c></row>`).with("xl/styles.xml", `<styleSheet`), `the workbook is damaged`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(t, tc.parts.zip(t), "")
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "the workbook is damaged (")
			require.ErrorContains(t, err, "): copy it again, or open it in a spreadsheet and save it again")
		})
	}
}

// A byte that changed on the way changes the checksum, which is read after the last row.
func TestChecksum(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range workbook(`<row><c t="str"><v>good-name</v></c></row>`) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		require.NoError(t, err)
		_, err = io.WriteString(f, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	cells, err := read(t, bytes.Replace(b.Bytes(), []byte("good-name"), []byte("evil-name"), 1), "")
	require.Equal(t, []string{"A1=evil-name"}, cells)
	require.ErrorContains(t, err, "the workbook is damaged (sheet \"Names\" after row 1: zip: checksum error)")
}

func TestForeign(t *testing.T) {
	t.Parallel()
	ole := func(name string) []byte {
		head := make([]byte, 1024)
		copy(head, oleMagic)
		return append(head, utf16Bytes(name)...) // byte 48 says that the directory starts in sector 0
	}
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"xlsb":      {parts{"xl/workbook.bin": ""}.zip(t), "is a binary Excel workbook (.xlsb): open it in a spreadsheet and save it as .xlsx"},
		"ods":       {parts{"mimetype": "", "content.xml": ""}.zip(t), "is an OpenDocument file (.ods): open it in a spreadsheet and save it as .xlsx"},
		"numbers":   {parts{"Index/Document.iwa": ""}.zip(t), "is a file of Apple Numbers: export it as Excel (.xlsx)"},
		"docx":      {parts{"_rels/.rels": relations("officeDocument:word/document.xml"), "word/document.xml": ""}.zip(t), "is a zip file and no Excel workbook"},
		"zip":       {parts{"names.csv": ""}.zip(t), "is a zip file and no Excel workbook: unpack it, and give the CSV or .xlsx file in it"},
		"xls":       {ole("Workbook"), "is an old Excel workbook (.xls): open it in a spreadsheet and save it as .xlsx"},
		"encrypted": {ole("EncryptedPackage"), "is encrypted: open it with its password in a spreadsheet and save it without one"},
		"cut":       {workbook("").zip(t)[:200], "the workbook is damaged (zip: not a valid zip file): copy it again"},
		"no sheet":  {workbook("").with("xl/workbook.xml", "<workbook/>").zip(t), "the workbook has no sheet with cells"},
		"bomb":      {workbook(strings.Repeat(" ", bombSize)).zip(t), "unpacks to more than 200 times its size, as no workbook of real rows does"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.True(t, IsWorkbook(tc.data))
			_, err := read(t, tc.data, "")
			require.ErrorContains(t, err, tc.want)
		})
	}
	require.False(t, IsWorkbook([]byte("asset_id,display_name\n")))
}

// A directory with millions of files would take gigabytes.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 60_000 {
		// Stored, because a compressor for each takes minutes with the race detector.
		_, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("a file with a name of more than thirty bytes %d", i), Method: zip.Store})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	_, err := openBytes(t, b.Bytes())
	require.ErrorContains(t, err, "it holds too many files")
}

// Texts beyond the limit of memory go to a file, in any order of reading.
func TestTextsOnDisk(t *testing.T) {
	t.Parallel()
	var shared texts
	const n, size = 200, inMemory / 100
	for i := range n {
		require.NoError(t, shared.add(strings.Repeat(string(rune('a'+i%26)), size+i)))
	}
	require.NotNil(t, shared.file)
	require.NoError(t, shared.flush())
	require.NoError(t, shared.add("")) // as the last one
	for i := range n {
		i = i * 77 % n
		text, err := shared.get(i)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(string(rune('a'+i%26)), size+i), text)
	}
	_, err := shared.get(n + 1)
	require.Error(t, err)
	require.NoError(t, shared.close())
	require.NoFileExists(t, shared.file.Name())
}

// A formula that a program wrote without calculating it has no value.
func TestFormulaWithoutValue(t *testing.T) {
	t.Parallel()
	f := excelize.NewFile()
	require.NoError(t, f.SetSheetRow("Sheet1", "B2", &[]any{"a", 1.5, true}))
	require.NoError(t, f.SetCellFormula("Sheet1", "B3", "1+1"))
	data, err := f.WriteToBuffer()
	require.NoError(t, err)
	cells, err := read(t, data.Bytes(), "")
	require.NoError(t, err)
	require.Equal(t, []string{"B2=a", "C2=1.5", "D2=TRUE", "B3="}, cells)
}
