package web

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
	"relabel/internal/usecase"
)

func (b *testBundle) status(t testing.TB, id int64) records.BatchProgress {
	t.Helper()
	st, err := records.Batch(t.Context(), b.DB, id)
	require.NoError(t, err)
	return st
}

// Every change leaves a row that says who did what to what, and how many rows it touched.
func TestEveryChangeIsInTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	c.upload(rows(4, "new.jpg"))
	c.see("/batch/1", "would change")
	c.upload(rows(5, "newer.jpg"))
	c.see("/batch/2", "would change")
	next := "0 1 * * *"
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	source := "/tmp/names.csv"
	require.NoError(t, scheduledb.Add(t.Context(), b.DB, scheduledb.Schedule{
		Name: "nightly", SiteID: site.ID, Cron: next, TimeZone: "UTC", CSV: &source, Mode: "changed", Overlap: "skip", CatchUp: time.Hour,
	}))
	for _, path := range []string{
		"/batch/1/apply", "/batch/1/pause", "/batch/1/resume", "/batch/1/cancel", "/batch/1/retry", "/batch/2/discard",
		"/site/default/pause", "/site/default/resume", "/schedule/nightly/pause", "/schedule/nightly/resume", "/schedule/nightly/run",
	} {
		require.Equal(t, http.StatusSeeOther, c.post(path, nil).StatusCode, path)
	}
	require.Equal(t, http.StatusSeeOther, c.post("/batch/2/apply", nil).StatusCode, "what fails is there too")
	entries, err := records.AuditEntries(t.Context(), b.DB, "", 0, 100)
	require.NoError(t, err)
	var got []string
	for _, d := range slices.Backward(entries) {
		require.Equal(t, "127.0.0.1", d.Who)
		require.Equal(t, "dashboard", d.Via)
		rows := "-"
		if d.Rows != nil {
			rows = fmt.Sprint(*d.Rows)
		}
		require.NotNil(t, d.Result, d.Action)
		got = append(got, fmt.Sprintf("%s %s %s %s", d.Action, d.Subject, rows, *d.Result))
	}
	require.Equal(t, []string{
		"log in dashboard - done", "upload batch 1 4 done", "upload batch 2 5 done",
		"apply batch 1 4 done", "pause batch 1 4 done", "resume batch 1 4 done", "cancel batch 1 4 done", "retry batch 1 4 done",
		"discard batch 2 5 done", "pause site default - done", "resume site default - done",
		"pause schedule nightly - done", "resume schedule nightly - done", "run schedule nightly - done",
		"apply batch 2 - batch 2 is already cancelled; only plans can be applied",
	}, got)
	require.Contains(t, c.get("/schedule/nightly").text, "by hand")
	require.Contains(t, c.get("/schedules").text, "nightly")
	require.Contains(t, c.get("/").text, `href="/schedule/nightly"`)
}

// Logins, refused ones and logouts are in the log, with the name that was typed. Wrong
// links, which any web page can open, do not fill it.
func TestLoginsAreInTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Password: "correct horse"}})
	c := b.stranger(t)
	c.post("/login", url.Values{"password": {"wrong"}, "name": {"Eve"}})
	c.post("/login", url.Values{"password": {"correct horse"}, "name": {"Ann at 192.0.2.1"}})
	c.post("/logout", nil)
	require.Equal(t, []string{
		"log in 127.0.0.1 | refused: The password is wrong.",
		"log in 127.0.0.1 Ann at 192.0.2.1 | done",
		"log out 127.0.0.1 Ann at 192.0.2.1 | done",
	}, b.log(t))

	links := setup(t, settings{})
	for range 5 * freeGuesses {
		require.Equal(t, http.StatusForbidden, links.stranger(t).get("/login?key=x").StatusCode)
	}
	require.Len(t, links.log(t), freeGuesses)
}

// log gives the audit log, the oldest entry first.
func (b *testBundle) log(t testing.TB) (lines []string) {
	t.Helper()
	entries, err := records.AuditEntries(t.Context(), b.DB, "", 0, 100)
	require.NoError(t, err)
	for _, e := range slices.Backward(entries) {
		lines = append(lines, strings.TrimSpace(e.Action+" "+e.Who+" "+e.Person)+" | "+*e.Result)
	}
	return lines
}

// Who may change things sees who is logged in, and can end each session.
func TestSessionsPage(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	owner, reader := b.login(t, RoleChange), b.login(t, RoleLook)
	events := reader.stream("/live/overview")
	require.NotEmpty(t, <-events)
	require.Equal(t, http.StatusForbidden, reader.get("/sessions").StatusCode)
	require.Equal(t, http.StatusForbidden, reader.post("/sessions/1/end", nil).StatusCode)
	require.NotContains(t, reader.get("/").text, `href="/sessions"`)
	page := owner.get("/sessions").text
	require.Contains(t, page, "127.0.0.1 <span class=\"dim\">(this browser)</span>")
	require.Contains(t, page, `action="/sessions/2/end"`)
	require.Equal(t, http.StatusSeeOther, owner.post("/sessions/2/end", nil).StatusCode)
	for range events { // until it ends
	}
	require.Equal(t, http.StatusSeeOther, reader.get("/").StatusCode)
	require.Contains(t, owner.get("/sessions").text, "Session 2 has ended.")
	for _, id := range []string{"2", "x"} {
		require.Equal(t, http.StatusNotFound, owner.post("/sessions/"+id+"/end", nil).StatusCode, id)
	}
	require.Contains(t, b.log(t), "end 127.0.0.1 | done")
}

// Without a token a plan goes by what relabel itself has sent; the page says so.
func TestUploadWithoutToken(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	in := c.upload(rows(3, "new.jpg"), "name", "spring")
	require.Equal(t, http.StatusSeeOther, in.StatusCode, in.text)
	require.Contains(t, c.get("/batch/1").text, "The site was not read (there is no token)")
	require.Contains(t, c.see("/batch/1", "the site was not read."), "spring")
	require.NotContains(t, c.get(in.Header.Get("Location")).text, "(there is no token)", "a notice is shown once")
	require.Equal(t, db.BatchPlanned, b.status(t, 1).Status)
	require.Zero(t, b.api.Calls())
}

// The primary locale may be named by its own id; where nobody can tell which that
// is, the page says so.
func TestUploadInPrimaryLocale(t *testing.T) {
	t.Parallel()
	csv := "asset_id,display_name,locale_id\n" + standin.AssetID(1) + ",new.jpg," + standin.PrimaryLocale + "\n"
	for _, known := range []bool{true, false} {
		b := setup(t, settings{noToken: !known, api: standin.Config{Assets: 3}})
		c := b.login(t, RoleChange)
		require.Equal(t, http.StatusSeeOther, c.upload(csv).StatusCode)
		var locale string
		require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT locale_id FROM rename`).Scan(&locale))
		says := strings.Contains(c.get("/batch/1").text, "locale&#39;s id is not known (there is no token)")
		require.Equal(t, []any{known, !known}, []any{locale == "", says})
	}
}

// An upload empties alt texts, and has a setting for names in secondary locales.
func TestUploadTexts(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.api.SetAltText(standin.AssetID(1), "", "A dog")
	csv := "asset_id,locale_id,display_name,alt_text\n" +
		standin.AssetID(1) + ",,,none\n" + standin.AssetID(2) + "," + standin.FrenchLocale + ",nom.jpg,Un chien\n"
	c := b.login(t, RoleChange)
	require.Contains(t, c.get(uploadPath).text, `placeholder="[empty]"`)
	require.Equal(t, "/batch/1", c.upload(csv, "empty", "None", "names-in-locales", "drop").Header.Get("Location"))
	require.Contains(t, c.get("/batch/1").text, "the display name was dropped from 1 row of secondary locales")
	page := c.see("/batch/1", "would change")
	require.Contains(t, page, "<ins>(emptied)</ins>")
	require.NotContains(t, page, "nom.jpg")
	c.post("/batch/1/apply", nil)
	b.work(t)
	require.Contains(t, c.see("/batch/1", `<p><span class="badge s-done">`), "(emptied)")
	require.Empty(t, *b.api.AltText(standin.AssetID(1), ""))
	c.upload(csv)
	require.Contains(t, c.get("/batch/2").text, "“Names in secondary locales” can drop them")
}

// An error says what can be done on the page, instead of an option of the command line.
func TestUploadAdvice(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"fix it, or tick “Load the good rows”": &usecase.RefusedError{Source: "names.csv", Rows: 1},
		"“Load the good rows”; “If several assets have a row's name” under More settings can rename all of them": &usecase.RefusedError{
			Source: "names.csv", Rows: 2, Ambiguous: 1,
		},
		"or start the dashboard with a larger --max-rows": &usecase.TooManyRowsError{Source: "names.csv", Max: 10},
	} {
		require.True(t, strings.HasSuffix(uploadProblem(err), want), uploadProblem(err))
	}
}

func TestUploadProblems(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	bad := c.upload("asset_id,display_name\nnonsense,<i>a</i>\n" + standin.AssetID(1) + ",good\n")
	require.Equal(t, http.StatusUnprocessableEntity, bad.StatusCode)
	require.Contains(t, bad.text, "names.csv: 1 row is invalid, so nothing was loaded")
	require.Contains(t, bad.text, "or tick “Load the good rows”", "no option of the command line")
	require.Contains(t, bad.text, `data-l="Line">2</td><td class="k" data-l="Column">asset_id</td>`)
	require.Equal(t, http.StatusUnprocessableEntity, c.upload("asset_id,display_name\n").StatusCode)
	require.Equal(t, http.StatusUnprocessableEntity, c.upload("no,columns\na,b\n").StatusCode)
	require.Equal(t, http.StatusBadRequest, c.post(uploadPath, url.Values{"site": {"default"}}).StatusCode)
	require.Equal(t, http.StatusUnprocessableEntity, c.upload(rows(1, "x"), "site", "nowhere").StatusCode)
	list, err := records.Batches(t.Context(), b.DB, "", 10)
	require.NoError(t, err)
	require.Empty(t, list)

	kept := c.upload("asset_id,display_name\nnonsense,a\n"+standin.AssetID(1)+",good\n", "skip_invalid", "1")
	require.Equal(t, http.StatusSeeOther, kept.StatusCode)
	list, err = records.Batches(t.Context(), b.DB, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.EqualValues(t, 1, list[0].Invalid)
}

// The filter's rows are retried, all of them and no others.
func TestRetryFiltered(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{api: standin.Config{Assets: 130}})
	c := b.login(t, RoleChange)
	for n := range 60 {
		status := http.StatusNotFound
		if n < 5 {
			status = http.StatusBadRequest
		}
		b.failSent(n, status)
	}
	c.upload(rows(130, "new.jpg"))
	c.see("/batch/1", "would change")
	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", "done, 60 failed")
	page := c.get("/batch/1?status=failed&http=404").text
	require.Contains(t, page, "55 rows match")
	require.Contains(t, page, "55 rows that failed")
	require.Contains(t, page, `href="/batch/1/results.csv?status=failed"`)
	require.Contains(t, page, `href="?http=404&amp;status=failed#rows"`)
	require.Contains(t, page, `rel="next"`)
	got := c.post("/batch/1/retry", url.Values{"status": {"failed"}, "http": {"404"}})
	require.Equal(t, http.StatusSeeOther, got.StatusCode)
	require.Contains(t, c.get("/batch/1").text, "55 rows will be sent again.")
	c.see("/batch/1", "done: 125 succeeded, 5 failed")
	require.EqualValues(t, 125, b.status(t, 1).Succeeded)
	require.EqualValues(t, 5, b.status(t, 1).Failed)

	failed := c.get("/batch/1/results.csv?status=failed")
	require.Contains(t, failed.Header.Get("Content-Disposition"), `filename="batch-1.csv"`)
	records, err := csv.NewReader(strings.NewReader(failed.text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 6)
	require.Equal(t, http.StatusBadRequest, c.get("/batch/1/results.csv?status=nothing").StatusCode)
	require.Contains(t, c.get("/batch/1?http=abc").text, "an HTTP status is a number")
	require.Contains(t, c.get("/batch/1?after=nonsense").text, "is not one of this list")
}

// failSent fails the n-th asset's next change; reading it for a plan of many goes by pages.
func (b *testBundle) failSent(n, status int) {
	b.api.FailAsset(standin.AssetID(n), standin.Status(status))
}

// Rows are paged to their end, each once.
func TestRowsArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	c.upload(rows(40, "a.jpg") + strings.TrimPrefix(rows(80, "b.jpg"), "asset_id,display_name\n"))
	seen, path := 0, "/batch/1"
	for {
		page := c.get(path).text
		_, table, _ := strings.Cut(page, `aria-label="Rows of the batch"`)
		seen += strings.Count(table, `data-l="Line">`)
		before, _, more := strings.Cut(table, `" rel="next"`)
		if !more {
			break
		}
		path = "/batch/1" + strings.ReplaceAll(strings.TrimSuffix(before[strings.LastIndex(before, `href="`)+6:], "#rows"), "&amp;", "&")
	}
	require.Equal(t, 120, seen)
	require.EqualValues(t, 120, b.status(t, 1).Total)
}

// Downloads and uploads take turns, so that slow ones leave the database to the others.
func TestLongRequestsTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	c.upload(rows(2, "a.jpg"))
	var last func()
	for range longAllowance().all {
		last, _ = b.server.long.take(withRole(RoleChange))
	}
	require.Equal(t, http.StatusServiceUnavailable, c.get("/batch/1/results.csv").StatusCode)
	require.Equal(t, http.StatusServiceUnavailable, c.upload(rows(2, "a.jpg")).StatusCode)
	last()
	require.Equal(t, http.StatusOK, c.get("/batch/1/results.csv").StatusCode)
	require.Equal(t, http.StatusOK, c.get("/batch/1/results.csv").StatusCode, "its turn was given back")
}

// Read-only sessions can't take all turns, and one session can't take those of others.
func TestQuota(t *testing.T) {
	t.Parallel()
	q := newQuota(allowance{all: 4, look: 2, each: 2, eachLook: 1})
	take := func(who *session) (func(), bool) { return q.take(who) }
	look := []*session{withRole(RoleLook), withRole(RoleLook), withRole(RoleLook)}
	change := []*session{withRole(RoleChange), withRole(RoleChange)}
	release, ok := take(look[0])
	require.True(t, ok)
	_, ok = take(look[0])
	require.False(t, ok, "one for each read-only session")
	_, ok = take(look[1])
	require.True(t, ok)
	_, ok = take(look[2])
	require.False(t, ok, "two for all of them")
	for _, want := range []bool{true, true, false} {
		_, ok = take(change[0])
		require.Equal(t, want, ok, "two for a session that may change things")
	}
	_, ok = take(change[1])
	require.False(t, ok, "four for all")
	release()
	_, ok = take(change[1])
	require.True(t, ok)
	require.Len(t, q.bySession, 3, "nothing is kept of the first one")
}

// An upload that sends a few bytes at a time ends, and the page says why.
func TestSlowUploadEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	body := "--x\r\nContent-Disposition: form-data; name=\"site\"\r\n\r\ndefault\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n"
	r := c.request(http.MethodPost, uploadPath, io.MultiReader(strings.NewReader(body), late{}), "Content-Type", "multipart/form-data; boundary=x")
	w := httptest.NewRecorder()
	r.RequestURI = uploadPath
	for _, cookie := range c.client.Jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	b.server.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, w.Body.String(), "The upload stalled, or was slower than 8,192 bytes a second")
}

// late is a body whose deadline has passed.
type late struct{}

func (late) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestUnknownThings(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	for _, path := range []string{"/batch/9", "/batch/0", "/batch/x", "/batch/9/results.csv", "/schedule/none", "/nothing", "/asset?id=none"} {
		require.Equal(t, http.StatusNotFound, c.get(path).StatusCode, path)
	}
	for _, path := range []string{"/batch/9/pause", "/batch/1/explode", "/site/none/pause", "/site/default/explode", "/schedule/none/run"} {
		require.Equal(t, http.StatusNotFound, c.post(path, nil).StatusCode, path)
	}
	require.Equal(t, http.StatusNotFound, c.post("/log", nil).StatusCode)
}

// What waits for a person is said, with the way out.
func TestNeedsAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	c.upload(rows(3, "new.jpg"))
	c.see("/batch/1", "would change")
	require.Contains(t, c.get("/").text, "names.csv (batch 1) is a plan of 3 rows")
	c.post("/batch/1/apply", nil)
	require.Contains(t, c.get("/").text, "3 rows wait, and no worker is running")
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	require.NoError(t, b.ParkSite(t.Context(), site.ID, "f", "401: bad <token>"))
	page := c.get("/").text
	require.Equal(t, 1, strings.Count(page, "401: bad &lt;token&gt;"), "the cause is shown once")
	require.Contains(t, page, "waits, because site default is parked")
	require.Contains(t, page, `action="/site/default/resume"`)
	c.post("/site/default/resume", nil)
	require.NotContains(t, c.get("/").text, "401: bad")
}

// A schedule's plan that was held back is one thing to do, and says why.
func TestHeldScheduleNeedsAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	b.exampleSchedules(t)
	c := b.login(t, RoleChange)
	c.upload(rows(3, "new.jpg"))
	require.Contains(t, c.get("/").text, "is a plan of 3 rows")
	_, err := b.Pool().Exec(t.Context(), `
		UPDATE schedule_run SET status = 'held', finished_at = NULL, batch_id = 1, note = '3 of 3 rows would change; `+"`relabel apply 1`"+` sends it' WHERE id = 5`)
	require.NoError(t, err)
	_, err = b.Pool().Exec(t.Context(), `UPDATE schedule SET state = 'held' WHERE name = 'nightly'`)
	require.NoError(t, err)
	page := c.get("/").text
	require.Contains(t, page, `<a href="/batch/1">Schedule nightly: held: 3 of 3 rows would change; <code>relabel apply 1</code> sends it</a>`)
	require.NotContains(t, page, "is a plan of 3 rows")
	require.Contains(t, c.get("/schedules").text, "held: 3 of 3 rows would change")
}

func TestDraw(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	c := draw([]records.Bar{
		{At: from, Calls: 60, Succeeded: 60}, {At: from.Add(2 * time.Minute), Calls: 30, Succeeded: 10, RateLimited: 15, Failed: 5},
	}, from, from.Add(19*time.Minute), time.Minute, from, 60)
	require.EqualValues(t, 60, c.Scale)
	require.InDelta(t, 0, c.Limit.Y, 0.01, "the limit is a line")
	require.Len(t, c.Bars, 2)
	require.InDelta(t, 0, c.Bars[0].OK.Y, 0.01, "as high as the scale")
	second := c.Bars[1]
	require.InDelta(t, chartLeft+2*(chartWidth-chartLeft)/20.0, second.X, chartWidth/100.0, "in its place, after a minute without calls")
	require.InDelta(t, chartHigh, second.OK.Y+second.OK.H, 0.01)
	require.InDelta(t, second.OK.Y, second.Wait.Y+second.Wait.H, 0.01, "stacked")
	require.InDelta(t, second.Wait.Y, second.Bad.Y+second.Bad.H, 0.01)
	require.InDelta(t, 3*second.Bad.H, second.Wait.H, 0.01)
	require.EqualValues(t, 90, c.Calls)
	for n, want := range map[int64]int64{1: 2, 2: 2, 3: 4, 9: 10, 11: 20, 59: 60, 61: 80, 101: 200} {
		require.Equal(t, want, niceAbove(n), n)
	}
}

// An undo is a plan of the values before: looked at, applied, and the names are back.
func TestUndo(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	before := b.api.Name(standin.AssetID(2), "")
	c := b.login(t, RoleChange)
	c.upload(rows(5, "new.jpg"))
	c.see("/batch/1", "would change")
	require.NotContains(t, c.get("/batch/1").text, `action="/batch/1/undo"`, "nothing was sent")
	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", `<p><span class="badge s-done">`)
	require.Equal(t, "new.jpg", b.api.Name(standin.AssetID(2), ""))
	require.Contains(t, c.get("/batch/1").text, `action="/batch/1/undo"`)
	require.Equal(t, "/batch/2", c.post("/batch/1/undo", nil).Header.Get("Location"))
	page := c.see("/batch/2", "would change")
	require.Contains(t, page, "Undo of batch 1")
	require.Contains(t, page, "<del>new.jpg</del>")
	require.Contains(t, page, "<ins>"+before+"</ins>")
	c.post("/batch/2/apply", nil)
	c.see("/batch/2", `<p><span class="badge s-done">`)
	require.Equal(t, before, b.api.Name(standin.AssetID(2), ""))
	require.Equal(t, "/batch/1", c.post("/batch/1/resume", nil).Header.Get("Location"))
	require.Contains(t, c.get("/batch/1").text, "batch 1 is done", "what can&#39;t be is said")
}

// A plan that is old, or is to take over what others changed, reads the site again before it is sent.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	c.upload("asset_id,display_name,expected_name\n" + standin.AssetID(1) + ",new.jpg,another.jpg\n" + standin.AssetID(2) + ",new2.jpg,\n")
	require.Contains(t, c.see("/batch/1", `1 <span class="of">of 2 rows would change`), "also overwrite what somebody else changed")
	b.work(t)
	c.post("/batch/1/apply", url.Values{"take_over": {"1"}})
	c.see("/batch/1", `<p><span class="badge s-done">`)
	require.EqualValues(t, 2, b.status(t, 1).Succeeded)
	entries, err := records.AuditEntries(t.Context(), b.DB, "batch 1", 0, 10)
	require.NoError(t, err)
	require.Equal(t, "apply, after reading the site", entries[0].Action)
	require.Equal(t, "done", *entries[0].Result)
}

// A site that can't be read leaves a plan that says so, and ways on.
func TestReadingFails(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.api.SetToken(testToken, standin.TokenForbidden)
	c := b.login(t, RoleChange)
	c.upload(rows(3, "new.jpg"))
	page := c.see("/batch/1", "The site could not be read")
	require.Contains(t, page, "assets:read")
	require.Contains(t, page, `action="/batch/1/record"`)
	c.post("/batch/1/record", nil)
	c.see("/batch/1", `3 <span class="of">of 3 rows would change`)
	b.api.SetToken(testToken, standin.TokenValid)
	c.post("/batch/1/compare", nil)
	c.see("/batch/1", "Compared with the site")
}

// Beside "every day at 02:00, Berlin", the next time is by Berlin's clock too.
func TestNextRun(t *testing.T) {
	at := time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)
	require.Contains(t, string(nextRun(&at, "Europe/Berlin")), ">Sat 28 Nov 02:00<")
	require.Contains(t, string(nextRun(&at, "UTC")), ">Sat 28 Nov 01:00<")
	require.Equal(t, "–", string(nextRun(nil, "UTC")))
}
