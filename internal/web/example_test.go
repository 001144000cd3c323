package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/webflow/webflowtest"
)

// example is what the pictures show: a batch at its end with some failures, one that goes on, a plan, a parked site.
func (b *testBundle) example(t testing.TB) {
	t.Helper()
	c := b.login(t, RoleChange)
	for _, n := range []int{11, 40, 41} {
		b.api.RemoveAsset(webflowtest.AssetID(n))
	}
	load := func(from, to int, batch, name string) {
		var csv strings.Builder
		csv.WriteString("asset_id,display_name\n")
		for i := from; i < to; i++ {
			fmt.Fprintf(&csv, "%s,%s %03d.jpg\n", webflowtest.AssetID(i), name, i)
		}
		require.Equal(t, http.StatusSeeOther, c.upload(csv.String(), "name", batch).StatusCode)
	}
	load(0, 120, "spring-names.csv", "Spring collection")
	c.see("/batch/1", "would change")
	b.api.FailAsset(webflowtest.AssetID(7), webflowtest.RateLimited("1"))
	b.api.FailAsset(webflowtest.AssetID(21), webflowtest.Status(http.StatusBadRequest))
	b.api.FailAsset(webflowtest.AssetID(22), webflowtest.Status(http.StatusBadRequest))
	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", ">done</span>")
	load(0, 200, "summer-names.csv", "Summer collection")
	c.see("/batch/2", "would change")
	b.api.SetLimit(60, 0)
	c.post("/batch/2/apply", nil)
	c.see("/", "Batch 2")
	load(100, 200, "autumn-names.csv", "Autumn collection")
	c.see("/batch/3", "would change")
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: "blog"}))
	blog, err := b.SiteByName(t.Context(), "blog")
	require.NoError(t, err)
	require.NoError(t, b.ParkSite(t.Context(), blog.ID, "0123456789abcdef", "the API refuses the token (401): is it still valid, and does it have the scope assets:write?"))
}
