package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
	"relabel/internal/standin"
)

// Failures can be marked as seen, form one group, and go when a later batch has put them right.
func TestFailuresNeedAttention(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.failSent(2, http.StatusBadRequest)
	c := b.login(t, RoleChange)
	send := func(batch int, csv, ends string) {
		t.Helper()
		c.upload(csv)
		path := fmt.Sprintf("/batch/%d", batch)
		c.see(path, "would change")
		c.post(path+"/apply", nil)
		c.see(path, ends)
	}
	b.work(t)
	send(1, rows(4, "first.jpg"), ">done, 1 failed<")
	page := c.get("/").text
	require.Contains(t, page, `<a href="/batch/1#rows">names.csv (batch 1): 1 of 4 rows did not succeed</a><br><span class="dim">`)
	b.failSent(2, http.StatusBadRequest)
	send(2, rows(5, "second.jpg"), ">done, 1 failed<")
	require.Contains(t, c.get("/").text, "2 batches with failures")
	require.Equal(t, http.StatusBadRequest, c.post("/seen", nil).StatusCode)
	require.Equal(t, http.StatusForbidden, b.login(t, RoleLook).post("/seen", url.Values{"item": {"batch 1, 1 bad"}}).StatusCode)
	c.post("/seen", url.Values{"item": {"batch 1, 1 bad"}})
	page = c.get("/").text
	require.NotContains(t, page, "batches with failures")
	require.Contains(t, page, "1 marked as seen")
	send(3, rows(5, "third.jpg"), `<p><span class="badge s-done">`)
	b.server.troubles.forget(1)
	b.server.troubles.forget(2)
	require.NotContains(t, c.get("/").text, "(batch ", "the third batch has put it right")
}

// A batch's page begins with the rows that did not succeed, and says why there is no undo.
func TestFailedRowsComeFirst(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	b.failSent(2, http.StatusBadRequest)
	c := b.login(t, RoleChange)
	c.upload(rows(4, "first.jpg"))
	c.see("/batch/1", "would change")
	c.post("/batch/1/apply", nil)
	b.server.cfg.Site = b.siteConfig(t, 100_000)
	b.work(t)
	page := c.see("/batch/1", ">done, 1 failed<")
	require.Contains(t, page, "1 row match.")
	require.Contains(t, page, `<code class="dim">`+standin.AssetID(2))
	require.NotContains(t, page, `<code class="dim">`+standin.AssetID(1))
	require.Contains(t, page, "its old names weren&#39;t saved")
	require.NotContains(t, page, `action="/batch/1/undo"`)
	require.Contains(t, page, "Retry 1 row of batch 1?")
	require.Contains(t, c.get("/batch/1?status=").text, standin.AssetID(1))
	for n, want := range map[time.Duration]int64{5 * time.Second: 120, time.Minute: 120, 5 * time.Minute: 600} {
		require.Equal(t, want, limitOf(records.LaneState{Limit: 120, Window: time.Minute}, n))
	}
}

// Batches are found by name, site, status and time, and paged.
func TestBatchesAreSearchedAndPaged(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	for n := range onPage + 2 {
		c.upload(rows(1, "a.jpg"), "name", fmt.Sprintf("Set %02d", n+1))
	}
	page := c.get("/batches").text
	require.Equal(t, onPage, strings.Count(page, `<tr id="b`))
	require.Contains(t, page, `data-live="/live/batches"`)
	require.Contains(t, page, `href="?before=3" rel="next"`)
	page = c.get("/batches?before=3").text
	require.Equal(t, 2, strings.Count(page, `<tr id="b`))
	require.NotContains(t, page, "data-live", "an older page is not replaced by the newest")
	for query, want := range map[string]int{
		"name=sET+0": 9, "name=Set+07&site=default&status=planned&within=1": 1, "status=done": 0, "site=none": 0, "status=with+failures": 0, "within=x": 20,
	} {
		require.Equal(t, want, strings.Count(c.get("/batches?"+query).text, `<tr id="b`), query)
	}
}

// Each batch says who loaded it: a person, whoever undid another one, or a schedule.
func TestBatchesSayWhoLoadedThem(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Password: "correct horse"}})
	c := b.stranger(t)
	c.post("/login", url.Values{"password": {"correct horse"}, "name": {"Ann"}})
	c.upload(rows(3, "new.jpg"))
	c.see("/batch/1", "would change")
	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", `<p><span class="badge s-done">`)
	c.post("/batch/1/undo", nil)
	require.Equal(t, 2, strings.Count(c.get("/batches").text, "by Ann"))
	require.Contains(t, c.get("/").text, "by Ann")
	page := c.get("/batch/1").text
	require.Contains(t, page, "loaded by Ann")
	require.Contains(t, page, "What the colours mean")
	require.Contains(t, page, `data-l="What">upload`, "the load is among what people did")

	b.exampleSchedules(t)
	_, err := b.Pool().Exec(t.Context(), `UPDATE schedule_run SET batch_id = 2 WHERE id = 5`)
	require.NoError(t, err)
	require.Contains(t, c.get("/batch/2").text, "loaded by schedule nightly")
}

// Schedules, runs, sites and sessions are listed in pages, as batches and rows are.
func TestListsArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	b.exampleSchedules(t)
	_, err := b.Pool().Exec(t.Context(), `
		INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up, next_run_at) SELECT 'more-' || n, site_id, cron, time_zone, csv, catch_up, next_run_at
			FROM schedule, generate_series(10, 29) n WHERE name = 'weekly';
		INSERT INTO schedule_run (schedule_id, due_at, status, finished_at) SELECT schedule_id, due_at, 'done', due_at
			FROM schedule_run, generate_series(1, 20) WHERE id = 1;
		INSERT INTO site (name) SELECT 'more-' || n FROM generate_series(10, 31) n;
		INSERT INTO breaker (site_id) SELECT id FROM site WHERE name LIKE 'more-%'`)
	require.NoError(t, err)
	for range 21 {
		b.login(t, RoleChange)
	}
	c := b.login(t, RoleChange)
	for path, all := range map[string]int{"/schedules": 22, "/schedule/nightly": 25, "/sites": 23, "/sessions": 22} {
		first, second := c.get(path).text, c.get(path+"?page=2").text
		require.Equal(t, onPage+1, strings.Count(first, "<tr"), path)
		require.Contains(t, first, `href="?page=2" rel="next"`, path)
		require.Equal(t, all-onPage+1, strings.Count(second, "<tr"), path)
		require.NotContains(t, second, `rel="next"`, path)
		require.NotContains(t, second, "data-live", path)
		require.Equal(t, 1, strings.Count(c.get(path+"?page=9").text, "<tr")+strings.Count(c.get(path+"?page=9").text, `class="empty"`), path)
	}
}

// A skipped run does not hide the last real result, and a schedule says in words when it is due.
func TestScheduleKeepsItsLastResult(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	b.exampleSchedules(t)
	_, err := b.Pool().Exec(t.Context(), `UPDATE schedule_run SET status = 'skipped' WHERE id = 5`)
	require.NoError(t, err)
	c := b.login(t, RoleChange)
	for _, path := range []string{"/", "/schedules"} {
		page := c.get(path).text
		require.Contains(t, page, "every day at 02:00, Berlin")
		require.Contains(t, page, "before that: failed", path)
	}
	require.Contains(t, c.get("/schedule/nightly").text, "<dt>last result</dt>")
	c.post("/schedule/nightly/pause", nil)
	require.Contains(t, c.get("/schedules").text, `<span class="badge s-off">paused</span>`)
}

// A plan without a row to send needs nobody.
func TestEmptyPlanNeedsNobody(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	c.upload("asset_id,display_name\n" + standin.AssetID(1) + "," + b.api.Name(standin.AssetID(1), "") + "\n")
	c.see("/batch/1", "plan, nothing to change")
	require.NotContains(t, c.get("/").text, "Needs attention")
}

// A CSV with other headers is loaded with a mapping, which the page asks for with the first rows.
func TestUploadWithMapping(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	csv := "Ref;\"New, name\";Alt text\n" + strings.Repeat(standin.AssetID(1)+";a <b>.jpg;\n", 7)
	ask := c.do(c.request(http.MethodPost, columnsPath, strings.NewReader(csv), "Sec-Fetch-Site", "same-origin")).text
	require.Contains(t, ask, `<select name="map-display_name"><option value="">none</option><option>Ref</option><option>New, name</option>`)
	require.Contains(t, ask, `<option selected>Alt text</option>`)
	require.Equal(t, previewRows, strings.Count(ask, "<td>a &lt;b&gt;.jpg</td>"))
	require.Empty(t, c.do(c.request(http.MethodPost, columnsPath, strings.NewReader(rows(3, "a.jpg")), "Sec-Fetch-Site", "same-origin")).text)

	page := c.upload(csv)
	require.Equal(t, http.StatusUnprocessableEntity, page.StatusCode)
	require.Contains(t, page.text, "say below which is which")
	require.Contains(t, page.text, `<select name="map-asset_id">`)
	page = c.upload(csv, "map-asset_id", "Ref", "map-alt_text", "")
	require.Contains(t, page.text, `<option selected>Ref</option>`, "what was chosen is kept")
	require.Contains(t, page.text, "rows are invalid", "and so is what is wrong with the rows")
	loaded := c.upload(csv, "map-asset_id", "Ref", "map-display_name", "New, name").Header.Get("Location")
	require.Contains(t, c.see(loaded, "would change"), "a &lt;b&gt;.jpg")
}

// The page to load a CSV has a sample that loads, and shows what is wrong in a table.
func TestUploadSampleAndProblems(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	require.Contains(t, c.get(uploadPath).text, `href="/sample.csv"`)
	sample := c.get("/sample.csv")
	require.Contains(t, sample.Header.Get("Content-Disposition"), "sample.csv")
	require.Equal(t, "/batch/1", c.upload(sample.text).Header.Get("Location"))
	page := c.upload("asset_id,display_name\nnonsense,<a>.jpg\n").text
	require.Contains(t, page, `data-l="Line">2</td><td class="k" data-l="Column">asset_id</td><td class="e" data-l="Value"><code>nonsense</code></td>`)
}
