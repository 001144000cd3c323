package schedule

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
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
