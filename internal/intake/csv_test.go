package intake

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	id1 = "63f1a2b3c4d5e6f708192a3b"
	id2 = "63f1a2b3c4d5e6f708192a3c"
)

// readAll reads a whole text, returning what came before the error.
func readAll(t testing.TB, r io.Reader, params CSVParams) ([]Row, error) {
	t.Helper()
	csv, err := NewCSV(r, params)
	if err != nil {
		return nil, err
	}
	return collect(csv)
}

func collect(csv File) ([]Row, error) {
	var all []Row
	for rows, err := range csv.Chunks(context.Background()) {
		if err != nil {
			return all, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// mustRead reads a text that has no error, whatever its rows are.
func mustRead(t testing.TB, text string) []Row {
	t.Helper()
	rows, err := readAll(t, strings.NewReader(text), CSVParams{})
	require.NoError(t, err)
	return rows
}

func TestRows(t *testing.T) {
	t.Parallel()
	rows := mustRead(t, "assetId,Display_Name,localeId,altText,expected_name\n"+
		" "+strings.ToUpper(id1)+" ,Föö 😀.jpg,"+id2+",alt,old\n"+
		id2+",,,\"two\r\nlines\",\n")
	require.Len(t, rows, 2)

	require.Empty(t, rows[0].Problems)
	require.Empty(t, rows[0].Warnings)
	require.EqualValues(t, 2, rows[0].Line)
	require.Equal(t, id1, rows[0].AssetID)
	require.Equal(t, id2, rows[0].LocaleID)
	require.Equal(t, "Föö 😀.jpg", *rows[0].DisplayName)
	require.Equal(t, "alt", *rows[0].AltText)
	require.Equal(t, "old", *rows[0].ExpectedName)

	require.Empty(t, rows[1].Problems)
	require.Nil(t, rows[1].DisplayName)
	require.Equal(t, "two\r\nlines", *rows[1].AltText)
	require.Nil(t, rows[1].ExpectedName)
}

func TestChunksOnce(t *testing.T) {
	t.Parallel()
	csv, err := NewCSV(strings.NewReader("asset_id,display_name\n"+id1+",x\n"), CSVParams{Name: "a.csv"})
	require.NoError(t, err)
	_, err = collect(csv)
	require.NoError(t, err)
	_, err = collect(csv)
	require.EqualError(t, err, "a.csv: was already read: open it again")
}

func TestReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("cable pulled")
	r := io.MultiReader(strings.NewReader("asset_id,display_name\n"+id1+",x\n"), &failing{err: broken})
	rows, err := readAll(t, r, CSVParams{Name: "a.csv"})
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "a.csv: error reading on from line 3: cable pulled")
	require.Len(t, rows, 1)
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
