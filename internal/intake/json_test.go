package intake

import (
	"context"
	"fmt"
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
