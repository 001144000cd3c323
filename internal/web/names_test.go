package web

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

const namesCSV = "Old name,New\nasset-000001.jpg,one.jpg\nasset-000002.jpg,two.jpg\n"

// A file that names its assets becomes a plan, with the columns chosen in the form.
func TestUploadOfNames(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	r := c.upload(namesCSV)
	require.Equal(t, http.StatusUnprocessableEntity, r.StatusCode)
	require.Contains(t, r.text, `name="map-current_name"`)
	require.Contains(t, r.text, `name="map-folder"`)

	r = c.upload(namesCSV, "map-current_name", "Old name", "map-display_name", "New")
	require.Equal(t, http.StatusSeeOther, r.StatusCode, r.text)
	c.see(r.Header.Get("Location"), "asset-000002.jpg") // its present name: it is compared
	require.Equal(t, 2, b.api.Calls(), "the folders and one page, also for the comparison")

	r = c.upload("current_name,display_name\nnobody.jpg,x.jpg\n")
	require.Equal(t, http.StatusUnprocessableEntity, r.StatusCode)
	require.Contains(t, r.text, "the site has no asset of this name")
}

// Names that several assets have are refused, unless the form says otherwise.
func TestUploadOfAmbiguousNames(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	b.api.SetName(standin.AssetID(0), "", "asset-000002.jpg")
	csv := "current_name,display_name\nasset-000002.jpg,two.jpg\n"
	require.Contains(t, c.upload(csv).text, "2 assets have this name: ")
	require.Contains(t, c.upload(csv, "ambiguous", "some").text, "all or skip")
	require.Equal(t, http.StatusSeeOther, c.upload(csv, "ambiguous", "all").StatusCode)
	require.Equal(t, 2, dbtest.Value[int](t, b, `SELECT count(*) FROM rename`))
}

// An upload does not wait for a long reading: it goes on in the background, and the page
// says how far it is.
func TestUploadWhileTheSiteIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{api: standin.Config{Assets: 20_000, Latency: 150 * time.Millisecond}})
	b.server.namesWait = 200 * time.Millisecond
	c := b.login(t, RoleChange)
	said := ""
	require.Eventually(t, func() bool {
		r := c.upload("current_name,display_name\nasset-000001.jpg,one.jpg\n")
		said += r.text
		return r.StatusCode == http.StatusSeeOther
	}, patience, poll)
	require.Regexp(t, `the site is being read, \d+ of 200 calls so far.*: try again when that has ended`, said)
	require.Equal(t, 201, b.api.Calls(), "it was read once")
}
