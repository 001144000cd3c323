package intake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const head = "asset_id,display_name\n"

// told writes a row's problems or warnings as "line column: message".
func told(problems []Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, fmt.Sprintf("%d %s: %s", p.Line, p.Column, p.Message))
	}
	return all
}

// Rows that are refused, each for one reason; the row after it must be good, which shows that the reader found back.
func TestRefusedRows(t *testing.T) {
	t.Parallel()
	const hex = "an asset id has 24 hexadecimal digits"
	const stray = "a quote in the middle of a cell"
	for name, tc := range map[string]struct{ header, row, want string }{
		"no id":             {head, ",x\n", "2 asset_id: no asset id"},
		"short id":          {head, id1[:23] + ",x\n", "2 asset_id: " + hex + " (0-9, a-f), this has 23 characters"},
		"long id":           {head, id1 + "0,x\n", "2 asset_id: " + hex + " (0-9, a-f), this has 25 characters"},
		"not hex":           {head, "g" + id1[1:] + ",x\n", "2 asset_id: " + hex + ", nothing but 0-9 and a-f"},
		"id made a number":  {head, "6.31E+23,x\n", "2 asset_id: a spreadsheet made a number"},
		"id within":         {head, id1[:12] + " " + id1[12:23] + ",x\n", "2 asset_id: " + hex},
		"sets nothing":      {head, id1 + ",\n", "2 : the row sets nothing"},
		"spaces only":       {head, id1 + ",  \n", "2 : the row sets nothing"},
		"short":             {head, id1 + "\n", "2 : expected 2 cells as in the header, found 1"},
		"long":              {head, id1 + ",a,b,c\n", "2 : expected 2 cells as in the header, found 4"},
		"long and empty":    {head, id1 + ",a,\n", "2 : expected 2 cells as in the header, found 3"},
		"NUL":               {head, id1 + ",a\x00b\n", "2 display_name: character 2 is NUL"},
		"NUL in expected":   {"asset_id,display_name,expected_name\n", id1 + ",a,b\x00\n", "2 expected_name: character 2 is NUL"},
		"bell":              {head, id1 + ",é\a\n", "2 display_name: character 2 is the control character U+0007"},
		"delete":            {head, id1 + ",a\x7f\n", "2 display_name: character 2 is the control character U+007F"},
		"C1":                {head, id1 + ",a\u0085b\n", "2 display_name: character 2 is the control character U+0085"},
		"tab":               {head, id1 + ",a\tb\n", "2 display_name: character 2 is a tab"},
		"line break":        {head, id1 + ",\"a\nb\"\n", "2 display_name: character 2 is a line break"},
		"bell in alt":       {"asset_id,alt_text\n", id1 + ",\a\n", "2 alt_text: character 1 is the control character U+0007"},
		"too long":          {head, id1 + "," + strings.Repeat("a", maxName+1) + "\n", "2 display_name: longer than 4,096 bytes (4,097)"},
		"alt too long":      {"asset_id,alt_text\n", id1 + "," + strings.Repeat("a", maxAltText+1) + "\n", "2 alt_text: longer than 16,384 bytes (16,385)"},
		"stray quote":       {head, id1 + ",5\" disk\n", "2 : " + stray},
		"space, quote":      {head, id1 + ", \"a\"\n", "2 : " + stray},
		"after the quote":   {head, id1 + ",\"a\"b\n", "2 : " + stray},
		"quotes undoubled":  {head, id1 + ",\"a \"b\" c\"\n", "2 : " + stray},
		"stray on line 3":   {head, id1 + ",\"a\n\"b\n", "3 : " + stray},
		"latin1":            {head, id1 + ",caf\xe9\n", "2 : byte 29 of line 2 (byte 51 of the file) is 0xE9, which is not UTF-8"},
		"cut rune":          {head, id1 + ",\xf0\x9f\x98\n", "2 : byte 26 of line 2 (byte 48 of the file) is 0xF0"},
		"surrogate":         {head, id1 + ",\xed\xa0\x80\n", "2 : byte 26 of line 2"},
		"bad byte, line 3":  {head, id1 + ",\"a\r\n\xe9\"\n", "3 : byte 1 of line 3 (byte 52 of the file) is 0xE9"},
		"bad byte, ignored": {"asset_id,display_name,note\n", id1 + ",a,\xe9\n", "2 : byte 28 of line 2 (byte 55 of the file)"},
		"locale id":         {"asset_id,display_name,locale_id\n", id1 + ",a,fr-FR\n", "2 locale_id: a locale id has 24 hexadecimal digits: put tags such as fr-FR in a column named locale"},
		"no resolver":       {"asset_id,display_name,locale\n", id1 + ",a,fr-FR\n", "2 locale: a locale can be looked up only when the site's id is known: set the site's id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := id2 + strings.Repeat(",b", strings.Count(tc.header, ","))
			good = strings.Replace(good, ",b,b", ",b,", 1) // a third column may not take any text
			rows := mustRead(t, tc.header+tc.row+good+"\n")
			require.Len(t, rows, 2)
			require.Len(t, rows[0].Problems, 1, "%v", rows[0].Problems)
			require.Contains(t, told(rows[0].Problems)[0], tc.want)
			require.Contains(t, rows[0].Problems[0].Message, " ")
			require.EqualValues(t, 2, rows[0].Line)
			require.Empty(t, rows[1].Problems)
			require.Equal(t, id2, rows[1].AssetID)
			requireStorable(t, rows[0])
		})
	}
}

// requireStorable checks what a row of any kind promises to the database.
func requireStorable(t testing.TB, row Row) {
	t.Helper()
	texts := []string{row.AssetID, row.LocaleID}
	for _, p := range []*string{row.DisplayName, row.AltText, row.ExpectedName} {
		if p != nil {
			texts = append(texts, *p)
		}
	}
	for _, p := range append(row.Problems, row.Warnings...) {
		texts = append(texts, p.Value, p.Message)
		require.NotContains(t, p.Message, "\n")
	}
	for _, text := range texts {
		require.Negative(t, invalidUTF8(text))
		require.NotContains(t, text, "\x00")
		require.LessOrEqual(t, len(text), maxAltText)
	}
}

func TestSeveralProblems(t *testing.T) {
	t.Parallel()
	rows := mustRead(t, "asset_id,display_name,alt_text\nnope,a\a,b\a\n")
	require.Equal(t, []string{
		"2 asset_id: an asset id has 24 hexadecimal digits (0-9, a-f), this has 4 characters",
		"2 display_name: character 2 is the control character U+0007: delete it",
		"2 alt_text: character 2 is the control character U+0007: delete it",
	}, told(rows[0].Problems))
	require.Equal(t, `a\u0007`, rows[0].Problems[1].Value)
	require.Equal(t, "nope", rows[0].AssetID)
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	const around = "2 display_name: spaces around the text are kept and sent: delete them unless they are meant"
	for name, tc := range map[string]struct{ cell, want string }{
		"before":      {" a", around},
		"after":       {"a ", around},
		"no-break":    {"a\u00a0", around},
		"zero width":  {"\u200ba", around},
		"override":    {"a\u202egpj.exe", "2 display_name: character 2 turns the text direction (U+202E): the name reads differently from what it is"},
		"isolate":     {"\u2066a\u2069", "2 display_name: character 1 turns the text direction (U+2066): the name reads differently from what it is"},
		"replacement": {"caf\ufffd", "2 display_name: character 4 is U+FFFD: the text lost a character before it came here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := mustRead(t, head+id1+","+tc.cell+"\n")
			require.Empty(t, rows[0].Problems)
			require.Equal(t, []string{tc.want}, told(rows[0].Warnings))
			require.Equal(t, tc.cell, *rows[0].DisplayName)
		})
	}
}

func TestBlankCellOfSpaces(t *testing.T) {
	t.Parallel()
	rows := mustRead(t, "asset_id,display_name,alt_text\n"+id1+",  ,x\n")
	require.Empty(t, rows[0].Problems)
	require.Nil(t, rows[0].DisplayName)
	require.Equal(t, []string{"2 display_name: only spaces: taken as blank, so this is left alone"}, told(rows[0].Warnings))
}

// Names come through byte for byte, without a word.
func TestNamesByteForByte(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a", "👩‍👩‍👧‍👦.png", "e\u0301", "é", "שלום.jpg", "Ünïcode", "a,b", `say "hi"`, "'=1+1", "=1+1", "-", "a\u200db", "0042",
		"true", "NULL", `\N`, "a  b", "a;b|c", "%00", "<b>", "a\u2028b", strings.Repeat("x", maxName),
	} {
		rows := mustRead(t, head+id1+`,"`+strings.ReplaceAll(name, `"`, `""`)+"\"\n")
		require.Empty(t, rows[0].Problems, name)
		require.Empty(t, rows[0].Warnings, name)
		require.Equal(t, name, *rows[0].DisplayName)
	}
}

// Line ends, blank lines, separators and quoting that must all give the same two rows.
func TestLayouts(t *testing.T) {
	t.Parallel()
	unix := head + id1 + ",a\n" + id2 + ",b\n"
	for name, text := range map[string]string{
		"LF":             unix,
		"no last LF":     strings.TrimSuffix(unix, "\n"),
		"CRLF":           strings.ReplaceAll(unix, "\n", "\r\n"),
		"CR":             strings.ReplaceAll(unix, "\n", "\r"),
		"CR, none last":  strings.TrimSuffix(strings.ReplaceAll(unix, "\n", "\r"), "\r"),
		"BOM":            "\ufeff" + unix,
		"semicolon":      strings.ReplaceAll(unix, ",", ";"),
		"tab":            strings.ReplaceAll(unix, ",", "\t"),
		"pipe":           strings.ReplaceAll(unix, ",", "|"),
		"quoted":         `"asset_id","display_name"` + "\n\"" + id1 + "\",\"a\"\n\"" + id2 + "\",\"b\"",
		"quoted, CR":     `"asset_id";"display_name"` + "\r\"" + id1 + "\";\"a\"\r\"" + id2 + "\";\"b\"\r",
		"sep line":       "sep=;\r\n" + strings.ReplaceAll(unix, ",", ";"),
		"sep, blank":     "sep=;\n\n" + strings.ReplaceAll(unix, ",", ";"),
		"quoted sep":     "\"sep=|\"\n" + strings.ReplaceAll(unix, ",", "|"),
		"blank last":     unix + "\n\n\r\n \n,\n",
		"other columns":  "note;display_name;Asset_ID;x,y\n;a;" + id1 + ";\nb,c,d;b;" + id2 + ";\n",
		"commas in name": "asset_id\tdisplay_name\ta,b,c,d\n" + id1 + "\ta\t\n" + id2 + "\tb\t\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := mustRead(t, text)
			require.Len(t, rows, 2)
			require.Equal(t, []string{id1, id2}, []string{rows[0].AssetID, rows[1].AssetID})
			require.Equal(t, []string{"a", "b"}, []string{*rows[0].DisplayName, *rows[1].DisplayName})
			require.Empty(t, append(rows[0].Problems, rows[1].Problems...))
			require.Equal(t, rows[0].Line+1, rows[1].Line)
		})
	}
}

func TestLineNumbers(t *testing.T) {
	t.Parallel()
	text := "\n\n" + "asset_id,alt_text\n\n" + id1 + ",\"a\nb\n\"\n\n" + id2 + ",\"\"\"\n\"\n" + id1 + ",c\n"
	var lines []int64
	for _, eol := range []string{"\n", "\r\n", "\r"} {
		for _, row := range mustRead(t, strings.ReplaceAll(text, "\n", eol)) {
			lines = append(lines, row.Line)
		}
	}
	require.Equal(t, []int64{5, 9, 11, 5, 9, 11, 5, 9, 11}, lines)
}
