package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// altOf reads one row whose alt text is the cell.
func altOf(t *testing.T, cell, marker string) Row {
	t.Helper()
	text := "asset_id,display_name,alt_text\n" + id1 + ",a.jpg," + cell + "\n"
	csv, err := NewCSV(strings.NewReader(text), CSVParams{})
	require.NoError(t, err)
	csv.UseEmpty(marker)
	rows, err := collect(csv)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	return rows[0]
}

// A marker empties an alt text, and a blank cell leaves it alone. Case and outer spaces do not matter.
func TestEmptyMarker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cell, marker string
		empties      bool
	}{
		{"[empty]", "", true},
		{"[EMPTY]", "", true},
		{" [Empty]\u00a0", "", true},
		{"[empty]", " ", true},
		{"'[empty]", "", false},
		{"[empty].", "", false},
		{"empty", "", false},
		{"NONE", "none", true},
		{"[empty]", "none", false},
		{"−", " − ", true},
	} {
		row := altOf(t, c.cell, c.marker)
		require.False(t, row.Refused(), "%q", c.cell)
		want := c.cell
		if c.empties {
			want = ""
			require.Empty(t, row.Warnings, "%q", c.cell)
		}
		require.Equal(t, want, *row.AltText, "%q", c.cell)
	}
	require.Nil(t, altOf(t, "", "").AltText)
	require.Nil(t, altOf(t, " ", "none").AltText)
}

// A row may set nothing but an emptied alt text. A name can't be emptied.
func TestEmptyMarkerRows(t *testing.T) {
	t.Parallel()
	rows := mustRead(t, "asset_id,display_name,alt_text\n"+id1+",,[empty]\n"+id1+",[empty],x\nbad,,[empty]\n")
	require.False(t, rows[0].Refused())
	require.Nil(t, rows[0].DisplayName)
	require.Empty(t, *rows[0].AltText)
	require.Contains(t, rows[1].Problems[0].Message, "only an alt text can be emptied")
	require.True(t, rows[2].Refused())
	require.Empty(t, *rows[2].AltText, "the report on a refused row shows what it wanted")
}

// In relabel's own exports a text that looks like the marker is quoted, and the marker itself always counts.
func TestEmptyMarkerInExports(t *testing.T) {
	t.Parallel()
	cells := map[string]string{"asset_id": id1, "display_name": "'[Empty]", "alt_text": "[empty] "}
	for _, columns := range [][]string{ResultsColumns(), PullColumns(), VerifyColumns()} {
		rows := mustRead(t, exported(columns, cells))
		require.False(t, rows[0].Refused())
		require.Equal(t, "'[Empty]", *rows[0].DisplayName)
		require.Equal(t, "[empty] ", *rows[0].AltText)

		text := strings.Replace(exported(columns, map[string]string{"asset_id": id1, "alt_text": "X"}), "X", EmptyMarker, 1)
		require.Empty(t, *mustRead(t, text)[0].AltText)
		csv, err := NewCSV(strings.NewReader(text), CSVParams{})
		require.NoError(t, err)
		csv.UseEmpty("none")
		got, err := collect(csv)
		require.NoError(t, err)
		require.Empty(t, *got[0].AltText)
	}
}
