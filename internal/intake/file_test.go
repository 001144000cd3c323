package intake

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// zipped packs texts, one gzip member each.
func zipped(t testing.TB, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&b)
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	return b.String()
}

// What ends the reading before a row is given out.
func TestFileErrors(t *testing.T) {
	t.Parallel()
	row := id1 + ",a\n"
	good := zipped(t, head+row)
	for name, tc := range map[string]struct{ text, want string }{
		"empty":          {"", "f.csv is empty: it needs a header row, such as asset_id,display_name, and rows below it"},
		"blank lines":    {"\n \r\n\n", "f.csv is empty"},
		"BOM only":       {"\ufeff", "f.csv is empty"},
		"header only":    {head, "f.csv has a header but no rows below it: nothing to load"},
		"header, blanks": {head + "\n\n", "f.csv has a header but no rows"},
		"header, commas": {head + ",\n,\n", "f.csv has a header but no rows"},
		"no asset_id": {
			"Asset #ID,New name\n" + row,
			`f.csv: no column says which asset is meant (asset_id, or instead current_name, original_file_name or hosted_url); the header is "Asset #ID", "New name": rename the column, or use --map 'asset_id=Asset #ID'`,
		},
		"no guess": {"foo,display_name\n" + row, `use --map 'asset_id=YOUR COLUMN'`},
		"nothing to set": {
			"asset_id,Display.Name\n" + row,
			`f.csv: no display_name and no alt_text column, so nothing to set; the header is "asset_id", "Display.Name": rename the column, or use --map 'display_name=Display.Name'`,
		},
		"no header":      {row + row, "no column says which asset is meant (asset_id, or instead current_name, original_file_name or hosted_url); the header has none of relabel's columns: the first row looks like data: put a header row above it"},
		"duplicate":      {"asset_id,display_name,assetId\n", `f.csv: columns 1 and 3 have the same name: rename or delete one (the header is "asset_id", "display_name", "assetId")`},
		"duplicate note": {"asset_id,display_name,Note,note\n", "columns 3 and 4 have the same name"},
		"nameless":       {"asset_id,display_name,\n", "f.csv: column 3 of the header has no name: name it, or delete the column"},
		"header quote":   {"asset_id,display \"name\"\n" + row, "f.csv: line 1: there is a quote inside a cell of the header"},
		"sep, quote":     {"sep=;\nasset_id;display_name;a,\"b\n", "f.csv: line 2: there is a quote inside a cell of the header"},
		"header open":    {"asset_id,\"display_name\n" + row, "f.csv: line 1: a quote opened here is never closed"},
		"header latin1":  {"asset_id,display_name,\xe9\n" + row, "f.csv: byte 23 of line 1 (byte 23 of the file) is 0xE9, which is not UTF-8"},
		"UTF-16 no BOM":  {"a\x00s\x00\n\x00", "f.csv: the header holds NUL bytes, as UTF-16 without a byte order mark does"},
		"xlsx":           {"PK\x03\x04rest", "f.csv: is an Excel workbook or another zip file in a .gz"},
		"xls":            {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "f.csv: is an old Excel workbook"},
		"UTF-32":         {"\xff\xfe\x00\x00a\x00\x00\x00", "f.csv: is UTF-32"},
		"zstd":           {"\x28\xb5\x2f\xfd", "f.csv: is zstd compressed"},
		"gz in gz":       {zipped(t, good), "f.csv: is zipped twice"},
		"gz of nothing":  {zipped(t, ""), "f.csv is empty"},
		"gz cut at head": {good[:5], "f.csv: the .gz ends early: it was cut, copy or download it again"},
		"open quote":     {head + row + id2 + ",\"b\n" + row, "f.csv: line 3: a quote opened here is never closed: close it, or double it"},
		"open, line 4":   {head + row + "\"" + id2 + "\n\",\"b\n", "f.csv: line 4: a quote opened here is never closed"},
		"gz cut":         {good[:len(good)-9], "the .gz ends early: it was cut"},
		"gz flipped":     {good[:10] + "\x07" + good[11:], "the .gz is damaged, copy or download it again"},
		"gz checksum":    {good[:len(good)-8] + "\x00\x00\x00\x00" + good[len(good)-4:], "the .gz is damaged"},
		"gz and rest":    {good + "rest of another file", "the .gz is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(t, strings.NewReader(tc.text), CSVParams{Name: "f.csv"})
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
			require.True(t, strings.HasPrefix(err.Error(), "f.csv"))
		})
	}
}

func TestNoRowsIsKnown(t *testing.T) {
	t.Parallel()
	_, err := NewCSV(strings.NewReader(head), CSVParams{})
	require.ErrorIs(t, err, ErrNoRows)
	require.EqualError(t, err, "standard input has a header but no rows below it: nothing to load")
}

func TestOpenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.csv.gz")
	require.NoError(t, os.WriteFile(path, []byte(zipped(t, head+id1+",a\n", id2+",b\n")), 0o600))

	csv, err := OpenFile(path, CSVParams{})
	require.NoError(t, err)
	rows, err := collect(csv)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.True(t, csv.Info().Gzip)
	require.NoError(t, csv.Close())

	_, err = OpenFile(dir, CSVParams{})
	require.EqualError(t, err, dir+" is a folder: give the path of a CSV or Excel file in it")
	_, err = OpenFile(filepath.Join(dir, "b.csv"), CSVParams{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "b.csv: no such file: check the path")
}

// Root may read everything, so the error is made by hand.
func TestOpenError(t *testing.T) {
	t.Parallel()
	err := openError("a.csv", &fs.PathError{Op: "open", Path: "a.csv", Err: fs.ErrPermission})
	require.EqualError(t, err, "a.csv: no permission to read it: ask its owner, or run chmod +r on it (permission denied)")
	err = openError("a.csv", errors.New("too many open files"))
	require.EqualError(t, err, "error opening a.csv: too many open files")
}

// A record without an end is refused near the limit, whatever the file still holds.
func TestRecordLimit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ start, want string }{
		"quote": {head + id1 + ",a\n" + id2 + ",\"", "f.csv: line 3: a quote opened here is not closed within 1 MiB: close it"},
		"line":  {head + id1 + ",", "f.csv: line 2: the row that starts here is longer than 1 MiB: look for a missing line end"},
		"first": {"", "f.csv: line 1: the row that starts here is longer than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &counter{src: io.MultiReader(strings.NewReader(tc.start), endless{})}
			_, err := readAll(t, src, CSVParams{Name: "f.csv"})
			require.ErrorContains(t, err, tc.want)
			require.Less(t, src.n, int64(3*maxRecord))
		})
	}
}

// endless is text without a line end or a quote.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestRecordAtLimit(t *testing.T) {
	t.Parallel()
	row := id1 + ",a,"
	row += strings.Repeat("x", maxRecord-len(row))
	header := "asset_id,display_name,note\n"
	for _, text := range []string{row, row + "\n", row + "\r\n" + id2 + ",b,\n"} {
		rows := mustRead(t, header+text)
		require.Empty(t, rows[0].Problems)
	}
	_, err := readAll(t, strings.NewReader(header+row+"x\n"), CSVParams{})
	require.ErrorContains(t, err, "line 2: the row that starts here is longer than 1 MiB")
}

// A bomb must end by itself long before it is unpacked.
func TestBomb(t *testing.T) {
	t.Parallel()
	line := id1 + ",a," + strings.Repeat("x", 4000) + "\n"
	member := zipped(t, strings.Repeat(line, 1<<20/len(line)))
	bomb := zipped(t, "asset_id,display_name,note\n") + strings.Repeat(member, 1000)
	packed := &counter{src: strings.NewReader(bomb)}
	rows, err := readAll(t, packed, CSVParams{Name: "f.csv"})
	require.ErrorContains(t, err, "unpacks to more than 200 times its size, as no file of real rows does")
	require.Less(t, len(rows)*len(line), 2*bombSize)
	require.Less(t, packed.n, int64(len(bomb)/5))
}

// Rows as alike as real ones can be stay far below the ratio.
func TestHonestRatio(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]func(int) string{
		"typical":   typicalRow,
		"one name":  func(i int) string { return fmt.Sprintf("%024x,image.jpg,\n", i) },
		"long name": func(i int) string { return fmt.Sprintf("%024x,%s,\n", i, strings.Repeat("image", 20)) },
	} {
		text, err := io.ReadAll(&rowSource{n: 20_000, row: row})
		require.NoError(t, err)
		ratio := len(text) / len(zipped(t, string(text)))
		require.Less(t, ratio, bombRatio/4, name)
	}
}

func TestSmallReads(t *testing.T) {
	t.Parallel()
	text := head + id1 + ",\"a\"\"\r\n\"\r\n" + id2 + ",b\r\n"
	for _, r := range []io.Reader{
		iotest.OneByteReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)),
		iotest.HalfReader(strings.NewReader(text)),
	} {
		rows, err := readAll(t, r, CSVParams{})
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Equal(t, "a\"\r\n", *rows[0].DisplayName)
	}
	_, err := readAll(t, io.MultiReader(strings.NewReader(text), stuck{}), CSVParams{})
	require.ErrorIs(t, err, io.ErrNoProgress)
}

// stuck is a reader that never gets anywhere.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }
