package intake

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func readJSON(text string) ([]Row, error) {
	j, err := NewJSON(strings.NewReader(text), CSVParams{Name: "body"})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for chunk, err := range j.Chunks(context.Background()) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, chunk...)
	}
	return rows, nil
}

// Texts are taken as they are: what means something in a CSV means nothing here.
func TestJSON(t *testing.T) {
	t.Parallel()
	rows, err := readJSON(`[
		{"asset_id": "` + id1 + `", "display_name": "'=a.jpg", "alt_text": null},
		{"asset_id": "` + strings.ToUpper(id1) + `", "alt_text": ""},
		{"asset_id": "` + id1 + `", "display_name": "", "alt_text": "[empty]"}]`)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	for i, row := range rows {
		require.False(t, row.Refused(), "%+v", row)
		require.Equal(t, int64(i+1), row.Line)
		require.Equal(t, id1, row.AssetID)
	}
	require.Equal(t, "'=a.jpg", *rows[0].DisplayName)
	require.Nil(t, rows[0].AltText)
	require.Empty(t, *rows[1].AltText)
	require.Nil(t, rows[2].DisplayName)
	require.Equal(t, "[empty]", *rows[2].AltText)
}

// A row that is wrong is refused, and the others are read.
func TestJSONRefusesRows(t *testing.T) {
	t.Parallel()
	for row, why := range map[string]string{
		`{"asset_id": "bad", "display_name": "a"}`:                               "an asset id has 24 hexadecimal digits",
		`{"asset_id": 7, "display_name": "a"}`:                                   "this is no text",
		`{"asset_id": "` + id1 + `", "display_name": ["a"]}`:                     "this is no text",
		`{"asset_id": "` + id1 + `", "display_name": "a\u0000"}`:                 "NUL",
		`{"asset_id": "` + id1 + `"}`:                                            "the row sets nothing",
		`{}`:                                                                     "no asset id",
		`{"asset_id": "` + id1 + `", "display_name": "a", "alt_text": "b"}`:      "row 1 has no field",
		`{"asset_id": "` + id1 + `", "display_name": "` + "\x01" + `not valid"}`: "",
	} {
		rows, err := readJSON(`[{"asset_id": "` + id1 + `", "display_name": "a.jpg"}, ` + row + `]`)
		if why == "" {
			require.Error(t, err, row)
			continue
		}
		require.NoError(t, err, row)
		require.Len(t, rows, 2)
		require.False(t, rows[0].Refused())
		require.True(t, rows[1].Refused(), row)
		require.Contains(t, fmt.Sprint(rows[1].Problems), why, row)
	}
}

// Anything but one complete list of objects is refused as a whole.
func TestJSONRefused(t *testing.T) {
	t.Parallel()
	good := `{"asset_id": "` + id1 + `", "display_name": "a.jpg"}`
	for text, why := range map[string]string{
		``:                              "not a list",
		` `:                             "not a list",
		`{"rows": []}`:                  "not a list",
		`7`:                             "not a list",
		`[]`:                            "the list is empty",
		`[7]`:                           "row 1 is no object",
		`[null]`:                        "row 1 is no object",
		`[` + good + `, null]`:          "row 2",
		`[` + good:                      "ends in the middle of the list, after row 1",
		`[` + good + `,`:                "ends in the middle of the list, after row 1",
		`[` + good + `, {"a`:            "ends in the middle of the list, after row 1",
		`[` + good + `] x`:              "something follows",
		`[` + good + `] []`:             "something follows",
		`[{"display_name": "a"}]`:       "no column says which asset",
		`[{"asset_id": "` + id1 + `"}]`: "nothing to set",
		`[` + good + `, {"a": "` + strings.Repeat("x", 2*maxJSONRow) + `"}]`: "is longer than 1024 KiB",
	} {
		_, err := readJSON(text)
		require.ErrorContains(t, err, why, "%.100s", text)
		require.ErrorContains(t, err, "body")
	}
}

// Each chunk has its own rows, with their numbers.
func TestJSONChunks(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 2*jsonChunk + 1 {
		fmt.Fprintf(&b, `,{"asset_id": "%024x", "display_name": "n"}`, i+1)
	}
	rows, err := readJSON("[" + b.String()[1:] + "]")
	require.NoError(t, err)
	require.Len(t, rows, 2*jsonChunk+1)
	for i, row := range rows {
		require.Equal(t, int64(i+1), row.Line)
		require.Equal(t, fmt.Sprintf("%024x", i+1), row.AssetID)
	}
}

// Long rows come in short chunks, or a body of 200 MB would be in memory at once.
func TestJSONChunksOfLongRows(t *testing.T) {
	t.Parallel()
	const n = 50
	row := `{"asset_id": "` + id1 + `", "display_name": "n", "note": "` + strings.Repeat("x", chunkBytes/4) + `"}`
	j, err := NewJSON(strings.NewReader("["+strings.Repeat(row+",", n-1)+row+"]"), CSVParams{Name: "body"})
	require.NoError(t, err)
	read := 0
	for chunk, err := range j.Chunks(context.Background()) {
		require.NoError(t, err)
		require.LessOrEqual(t, len(chunk), 5)
		for _, row := range chunk {
			read++
			require.Equal(t, int64(read), row.Line)
		}
	}
	require.Equal(t, n, read)
}

// Fields that nothing reads are not kept, even in a chunk. The test measures memory, so no other runs beside it.
func TestJSONKeepsNoUnreadFields(t *testing.T) { //nolint:paralleltest // see above
	const fields = 100_000 // in less than 1 MiB
	var unread strings.Builder
	for i := range fields {
		fmt.Fprintf(&unread, `,"%x":1`, i)
	}
	good := `{"asset_id": "` + id1 + `", "display_name": "n"`
	j, err := NewJSON(strings.NewReader("["+good+"},"+good+unread.String()+"}]"), CSVParams{Name: "body"})
	require.NoError(t, err)
	before := heap()
	rows, err := j.chunk()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Less(t, heap()-before, int64(4<<20), "with the fields it is 9 MB")
	runtime.KeepAlive(rows)
	runtime.KeepAlive(j)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A row is refused once for each column that row 1 lacks, in however many ways the row writes it.
func TestJSONRefusesAColumnOnce(t *testing.T) {
	t.Parallel()
	good := `{"asset_id": "` + id1 + `", "display_name": "n"`
	rows, err := readJSON("[" + good + "}," + good + `, "alt-text": "a", "altText": "b", "Alt Text": "c"}]`)
	require.NoError(t, err)
	require.Len(t, rows[1].Problems, 1)
	require.Contains(t, rows[1].Problems[0].Message, `row 1 has no field "Alt Text"`)
}

func TestColumnNamedMakesLittle(t *testing.T) { //nolint:paralleltest // it counts allocations
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { columnNamed("some-other field") }), 2.0)
}
