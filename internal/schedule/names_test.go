package schedule

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
	"relabel/internal/usecase"
)

// A schedule's rows may name their assets. A night then reads the site once, for the
// names and for the comparison.
func TestRunOfNames(t *testing.T) {
	t.Parallel()
	b := setup(t, 250)
	b.writeRows("original_file_name,display_name", func(w io.Writer) {
		for i := range 240 {
			fmt.Fprintf(w, "asset-%06d.jpg,%s\n", i+1, wanted(i))
		}
	})
	b.agree(250, 7, 8)
	b.add(nil)
	run := b.run(at2(1), "done")
	require.EqualValues(t, 2, run.Renamed)
	require.EqualValues(t, 4, run.Reads, "three pages, and the folders")
	require.Equal(t, map[string]int{"GET": 4, "PATCH": 2}, b.calls())
	require.Nil(t, run.Note)
	require.Equal(t, wanted(7), b.api.Name(standin.AssetID(7), ""))

	b.writeRows("original_file_name,display_name", func(w io.Writer) { fmt.Fprintln(w, "nobody.jpg,x.jpg") })
	run = b.run(at2(2), "failed")
	require.Contains(t, *run.Error, "line 2: the site has no asset of this file name")
}

// A name of several assets refuses the rows, unless the schedule says that all of them are meant.
func TestRunOfAmbiguousNames(t *testing.T) {
	t.Parallel()
	b := setup(t, 4)
	for i := range 2 {
		b.api.SetName(standin.AssetID(i), "", "same.jpg")
	}
	b.writeRows("current_name,display_name", func(w io.Writer) { fmt.Fprintln(w, "same.jpg,other.jpg") })
	b.add(nil)
	run := b.run(at2(1), "failed")
	require.Contains(t, *run.Error, "line 2: 2 assets have this name")

	s := b.schedule()
	s.Ambiguous = usecase.AmbiguousAll
	require.NoError(t, scheduledb.Edit(t.Context(), b.DB, s))
	run = b.run(at2(2), "done")
	require.EqualValues(t, 2, run.Renamed)
	require.Equal(t, "other.jpg", b.api.Name(standin.AssetID(1), ""))
}

// A schedule reads the sheet that it names.
func TestRunOfASheet(t *testing.T) {
	t.Parallel()
	b := setup(t, 4)
	book := excelize.NewFile()
	_, err := book.NewSheet("Wanted")
	require.NoError(t, err)
	require.NoError(t, book.SetSheetRow("Sheet1", "A1", &[]any{"notes"}))
	require.NoError(t, book.SetSheetRow("Wanted", "A1", &[]any{"asset_id", "display_name"}))
	require.NoError(t, book.SetSheetRow("Wanted", "A2", &[]any{standin.AssetID(3), "from the sheet.jpg"}))
	b.csv = filepath.Join(filepath.Dir(b.csv), "names.xlsx")
	require.NoError(t, book.SaveAs(b.csv))
	b.add(nil)
	require.Contains(t, *b.run(at2(1), "failed").Error, "no column says which asset is meant")

	s, sheet := b.schedule(), "Wanted"
	s.Sheet = &sheet
	require.NoError(t, scheduledb.Edit(t.Context(), b.DB, s))
	require.EqualValues(t, 1, b.run(at2(2), "done").Renamed)
	require.Equal(t, "from the sheet.jpg", b.api.Name(standin.AssetID(3), ""))
}
