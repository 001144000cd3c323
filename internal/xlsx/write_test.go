package xlsx

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func written(t testing.TB, rows ...[]string) []byte {
	t.Helper()
	w, err := NewWriter("Assets", []Column{{Name: "asset_id", Width: 26}, {Name: "display_name", Width: 40}})
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	for _, row := range rows {
		require.NoError(t, w.Row(row))
	}
	var b bytes.Buffer
	require.NoError(t, w.End(&b))
	return b.Bytes()
}

func TestWriter(t *testing.T) {
	t.Parallel()
	data := written(t, []string{"617012345678901234567890", "=1+1"}, []string{"", " _x0041_ <&>\"\r\n\té 😀 "}, []string{"", ""}, []string{"'=1", "2026"})
	cells, err := read(t, data, "Assets")
	require.NoError(t, err)
	require.Equal(t, []string{
		"A1=asset_id", "B1=display_name", "A2=617012345678901234567890", "B2==1+1", "B3= _x0041_ <&>\"\r\n\té 😀 ", "A5='=1", "B5=2026",
	}, cells)
	b, err := openBytes(t, data)
	require.NoError(t, err)
	creator, application := b.Creator()
	require.Equal(t, Creator, creator)
	require.Equal(t, Creator, application)

	sheet := unzipped(t, data, "xl/worksheets/sheet1.xml")
	require.NotContains(t, sheet, "<f")
	require.Contains(t, sheet, `state="frozen"`)
	require.Contains(t, sheet, `<col min="1" max="1" width="26" customWidth="1" style="1"/>`)
	require.Contains(t, sheet, `<c r="A1" s="2" t="inlineStr">`) // bold
	require.Contains(t, sheet, `<c r="A2" s="1" t="inlineStr">`) // text
	require.Contains(t, unzipped(t, data, "xl/styles.xml"), `numFmtId="49"`)
}

func unzipped(t testing.TB, data []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	f, err := z.Open(name)
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(text)
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	w, err := NewWriter("Assets", []Column{{Name: "asset_id", Width: 26}, {Name: "display_name", Width: 40}})
	require.NoError(t, err)
	defer w.Close() //nolint:errcheck // has no temporary file
	for cell, want := range map[string]string{
		"a\x0b":                          "the cell B2 (display_name) has the control character U+000B, which Excel can't hold: write a .csv",
		"\xff":                           "the cell B2 (display_name) is not UTF-8, which",
		strings.Repeat("😀", maxText/2+1): "the cell B2 (display_name) has more than 32,767 characters, which",
	} {
		require.ErrorContains(t, w.Row([]string{"", cell}), want)
	}
	require.NoError(t, w.Row([]string{strings.Repeat("é", maxText)}))
	w.row = MaxRows
	require.EqualError(t, w.Row([]string{"a"}), "a sheet of Excel has at most 1,048,576 rows, and these are more: write a .csv")
}

// The temporary file of a large workbook is gone after Close.
func TestWriterLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w, err := NewWriter("Assets", []Column{{Name: "display_name", Width: 40}})
	require.NoError(t, err)
	row := []string{strings.Repeat("x", 30_000)}
	for range 600 { // excelize keeps 16 MiB in memory
		require.NoError(t, w.Row(row))
	}
	files, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := files[0].Info()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoError(t, w.Close())
	files, err = os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, files)
}
