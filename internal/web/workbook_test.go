package web

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"relabel/internal/standin"
)

// A workbook is uploaded like a CSV, asks for its columns after the upload, and leaves no file.
func TestUploadWorkbook(t *testing.T) {
	b := setup(t, settings{noToken: true})
	t.Setenv("TMPDIR", t.TempDir())
	c := b.login(t, RoleChange)
	f := excelize.NewFile()
	defer f.Close() //nolint:errcheck // has no temporary file
	require.NoError(t, f.SetSheetRow("Sheet1", "A1", &[]any{"Ref", "display_name"}))
	require.NoError(t, f.SetSheetRow("Sheet1", "A2", &[]any{standin.AssetID(1), "a <b>.jpg"}))
	_, err := f.NewSheet("Team")
	require.NoError(t, err)
	require.NoError(t, f.SetSheetRow("Team", "A1", &[]any{"asset_id", "display_name"}))
	require.NoError(t, f.SetSheetRow("Team", "A2", &[]any{"short", "team.jpg"}))
	data, err := f.WriteToBuffer()
	require.NoError(t, err)
	book := data.String()

	page := c.upload(book)
	require.Equal(t, http.StatusUnprocessableEntity, page.StatusCode)
	require.Contains(t, page.text, "say below which is which")
	require.Contains(t, page.text, `<select name="map-asset_id"><option value="">none</option><option>Ref</option>`)
	require.Contains(t, page.text, "<td>a &lt;b&gt;.jpg</td>")

	page = c.upload(book, "sheet", "Team", "map-display_name", "display_name")
	require.Equal(t, http.StatusUnprocessableEntity, page.StatusCode)
	require.Contains(t, page.text, "cell A2: an asset id has 24 hexadecimal digits")
	require.Contains(t, page.text, `<option selected>display_name</option>`, "what was chosen is kept")
	require.Contains(t, page.text, `name="sheet" value="Team"`)

	loaded := c.upload(book, "map-asset_id", "Ref").Header.Get("Location")
	page.text = c.see(loaded, "would change")
	require.Contains(t, page.text, "a &lt;b&gt;.jpg")
	require.Contains(t, page.text, "names.csv has 2 sheets, and only the first visible one is read")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}
