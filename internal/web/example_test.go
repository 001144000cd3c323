package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// example is what the pictures show: a batch at its end with some failures, one that goes on, a plan, a parked site.
func (b *testBundle) example(t testing.TB) {
	t.Helper()
	c := b.login(t, RoleChange)
	for _, n := range []int{11, 40, 41} {
		b.api.RemoveAsset(standin.AssetID(n))
	}
	load := func(from, to int, batch, name string) {
		var csv strings.Builder
		csv.WriteString("asset_id,display_name\n")
		for i := from; i < to; i++ {
			fmt.Fprintf(&csv, "%s,%s %03d.jpg\n", standin.AssetID(i), name, i)
		}
		require.Equal(t, http.StatusSeeOther, c.upload(csv.String(), "name", batch).StatusCode)
	}
	load(0, 60, "spring-names.csv", "Spring collection")
	c.see("/batch/1", "would change")
	b.api.FailAsset(standin.AssetID(7), standin.RateLimited("1"))
	b.api.FailAsset(standin.AssetID(21), standin.Status(http.StatusBadRequest))
	b.api.FailAsset(standin.AssetID(22), standin.Status(http.StatusBadRequest))
	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", `<p><span class="badge s-partly">`)
	load(0, 200, "summer-names.csv", "Summer collection")
	c.see("/batch/2", "would change")
	load(100, 200, "autumn-names.csv", "Autumn collection")
	c.see("/batch/3", "would change")
	c.post("/batch/2/apply", nil)
	c.see("/", "the limit is used up")
	b.exampleSchedules(t)
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	b.exampleAssets(t, site.ID)
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: "blog"}))
	blog, err := b.SiteByName(t.Context(), "blog")
	require.NoError(t, err)
	require.NoError(t, b.ParkSite(t.Context(), blog.ID, "0123456789abcdef", "the API refuses the token (401): is it still valid, and does it have the scope assets:write?"))
}

// exampleSchedules are two, one of them with a history: runs that a test makes up.
func (b *testBundle) exampleSchedules(t testing.TB) {
	t.Helper()
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	now, err := b.Now(t.Context())
	require.NoError(t, err)
	source := "/srv/names.csv"
	for name, cron := range map[string]string{"nightly": "0 2 * * *", "weekly": "30 6 * * 1"} {
		times, err := schedule.ParseTimes(cron, "Europe/Berlin")
		require.NoError(t, err)
		next := times.Next(now)
		require.NoError(t, scheduledb.Add(t.Context(), b.DB, scheduledb.Schedule{
			Name: name, SiteID: site.ID, Cron: cron, TimeZone: "Europe/Berlin", CSV: &source, Mode: "changed",
			Overlap: "skip", CatchUp: time.Hour, NextRunAt: &next,
		}))
	}
	_, err = b.Pool().Exec(t.Context(), `
		INSERT INTO schedule_run (schedule_id, due_at, status, started_at, finished_at, looked_at, different, renamed, failed, reads, writes)
		SELECT c.id, c.next_run_at - n * interval '1 day', 'done', c.next_run_at - n * interval '1 day',
			c.next_run_at - n * interval '1 day' + interval '1 min' + n * interval '11 s', 4812, 20 + 3 * n, 19 + 3 * n, 1, 49, 20 + 3 * n
		FROM schedule c, generate_series(5, 1, -1) n WHERE c.name = 'nightly'`)
	require.NoError(t, err)
	_, err = b.Pool().Exec(t.Context(), `
		UPDATE schedule_run SET status = 'failed', finished_at = started_at, looked_at = 0, different = 0, renamed = 0, failed = 0, reads = 0, writes = 0,
			error = '/srv/names.csv is not there' WHERE id = 4`)
	require.NoError(t, err)
}
