package schedule

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"relabel/internal/standin"
)

// A schedule reads a workbook like a CSV, from its file or its URL.
func TestSourceWorkbook(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	b.env[SourceAllowPrivate] = "1"
	f := excelize.NewFile()
	defer f.Close() //nolint:errcheck // has no temporary file
	require.NoError(t, f.SetSheetRow("Sheet1", "A1", &[]any{"asset_id", "display_name"}))
	require.NoError(t, f.SetSheetRow("Sheet1", "A2", &[]any{standin.AssetID(1), wanted(1)}))
	data, err := f.WriteToBuffer()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(b.csv, data.Bytes(), 0o600)) // its name says CSV
	b.add(nil)
	require.EqualValues(t, 1, b.run(at2(1), "done").Renamed)
	require.Equal(t, wanted(1), b.api.Name(standin.AssetID(1), ""))

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data.Bytes()) }))
	t.Cleanup(server.Close)
	b.exec(`UPDATE schedule SET csv = $1`, server.URL+"/names.xlsx")
	b.api.SetName(standin.AssetID(1), "", "changed by hand")
	require.EqualValues(t, 1, b.run(at2(2), "done").Renamed)

	require.NoError(t, os.WriteFile(b.csv, data.Bytes()[:900], 0o600))
	b.exec(`UPDATE schedule SET csv = $1`, b.csv)
	require.Contains(t, *b.run(at2(3), "failed").Error, "the workbook is damaged")
}
