package intake

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"
)

// FuzzCSV: whatever the bytes, reading ends without a panic, rows keep what they promise, and lines only go up.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"", head + id1 + ",a\n", "\ufeff" + head + id1 + ";\"a\"\"\r\n\"\r", "sep=|\rassetId|altText\r" + id1 + "|x",
		head + id1 + ",\"open", head + "a\x00\xff,\u202e\n,,,\n", encodeUTF16(f, head+id1+",😀\n", unicode.LittleEndian), zipped(f, head+id1+",a\n"),
		strings.Join(ResultsColumns(), "\t") + "\n\t" + id1 + "\t\t'=a\t\t\t\t\t\t\t\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readAll(t, strings.NewReader(string(data)), CSVParams{workers: 1})
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
		var last int64 = 1
		for _, row := range rows {
			requireStorable(t, row)
			require.Greater(t, row.Line, last)
			last = row.Line
			if !row.Refused() {
				_, ok := objectID(row.AssetID)
				require.True(t, ok)
				require.True(t, row.DisplayName != nil || row.AltText != nil)
			}
		}
	})
}

// FuzzRecords: what encoding/csv reads without complaint, we cut into the same cells. The texts it understands differently on
// purpose are left out: a lone CR is a line end for us.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"a,b\nc,d\n", "\"a\"\"b\",\"c\r\nd\"\r\n\r\ne,\n", ",\n\"\",\"\n\"\n", "a\n\n\"b\"", "\"a,\"\"\",b"} {
		f.Add(seed, true)
		f.Add(strings.ReplaceAll(seed, ",", ";"), false)
	}
	f.Fuzz(func(t *testing.T, text string, comma bool) {
		sep := byte(';')
		if comma {
			sep = ','
		}
		if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") {
			t.Skip()
		}
		theirs := csv.NewReader(strings.NewReader(text))
		theirs.Comma, theirs.FieldsPerRecord = rune(sep), -1
		want, err := theirs.ReadAll()
		got, strays, ourErr := cut(text, sep)
		if err != nil {
			// They stop at the first mistake, we go on; but we must have seen one too.
			require.True(t, strays > 0 || ourErr != nil, "%v", err)
			return
		}
		require.NoError(t, ourErr)
		require.Zero(t, strays)
		require.Equal(t, want, got)
	})
}

// cut reads all records as the pipeline does, CRLF made LF as encoding/csv does.
func cut(text string, sep byte) (all [][]string, strays int, err error) {
	r := newRecords(strings.NewReader(text), 0)
	r.sep = sep
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return all, strays, nil
		}
		if err != nil {
			return all, strays, err
		}
		cells, bad := split(nil, rec.raw, sep, rec.quoted)
		if bad >= 0 {
			strays++
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "\r\n", "\n")
		}
		all = append(all, cells)
	}
}

// FuzzParseMap: what is understood can be written and read again.
func FuzzParseMap(f *testing.F) {
	for _, seed := range []string{
		"", "asset_id=Asset ID,display_name=New name", `asset_id="a,""b""",altText=c=d`, `asset_id="`, "asset_id=,", ",", `locale=" a "`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mapping, err := ParseMap(text)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NotEmpty(t, mapping)
		var pairs []string
		for column, header := range mapping {
			pairs = append(pairs, formatPair(column, header))
		}
		again, err := ParseMap(strings.Join(pairs, ","))
		require.NoError(t, err)
		require.Equal(t, mapping, again)
	})
}
