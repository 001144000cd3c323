package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A name that an asset has is no reason to refuse the file that says so; in a file of somebody's own it is.
func TestPulledRows(t *testing.T) {
	row := func(columns []string, name, alt string) string {
		return exported(columns, map[string]string{"asset_id": strings.Repeat("a", 24), "display_name": name, "alt_text": alt})
	}
	read := func(text string) (rows []Row) {
		csv, err := NewCSV(strings.NewReader(text), CSVParams{})
		require.NoError(t, err)
		for chunk, err := range csv.Chunks(t.Context()) {
			if err != nil {
				require.ErrorIs(t, err, ErrNoRows)
				break
			}
			rows = append(rows, chunk...)
		}
		return rows
	}
	for _, name := range []string{"two\nlines", "tab\there", "bell\u0007"} {
		pulled := read(row(append(PullColumns(), "folder"), name, ""))
		require.Len(t, pulled, 1)
		require.False(t, pulled[0].Refused(), name)
		require.NotEmpty(t, pulled[0].Warnings)
		require.Equal(t, name, *pulled[0].DisplayName)
		require.True(t, read(row([]string{"asset_id", "display_name"}, name, ""))[0].Refused(), name)
		require.True(t, read(row(VerifyColumns(), name, ""))[0].Refused(), name)
	}
	require.Empty(t, read(row(PullColumns(), " ", "")), "there is nothing to change")
	require.True(t, read(row([]string{"asset_id", "display_name"}, " ", ""))[0].Refused())
	require.Equal(t, "=x", *read(row(VerifyColumns(), "=x", ""))[0].DisplayName, "restored")
	require.True(t, read(strings.Join(PullColumns(), ",") + "\nbad\n")[0].Refused(), "a row that is cut is not passed over")
}
