package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/standin"
	"relabel/internal/usecase"
)

// machine is a program that uses the API.
type machine struct {
	*browser
	secret string
}

// machine makes a token, of one site or of all.
func (b *testBundle) machine(t testing.TB, name string, role db.TokenRole, site string) machine {
	t.Helper()
	p := db.NewToken{Name: name, Role: role, Life: time.Hour}
	if site != "" {
		s, err := b.SiteByName(t.Context(), site)
		require.NoError(t, err)
		p.SiteID = &s.ID
	}
	secret, err := b.CreateToken(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(func() { require.NotContains(t, b.logs.String(), secret, "the token is in the log") })
	return machine{b.stranger(t), secret}
}

func (m machine) send(method, path string, body io.Reader, header ...string) answer {
	m.t.Helper()
	r := m.request(method, api.Prefix+path, body, header...)
	r.Header.Set("Authorization", "Bearer "+m.secret)
	r.Header.Del("Accept")
	return m.do(r)
}

func (m machine) look(path string, header ...string) answer {
	m.t.Helper()
	return m.send(http.MethodGet, path, nil, header...)
}

func (m machine) act(path string) answer {
	m.t.Helper()
	return m.send(http.MethodPost, path, nil)
}

func (m machine) load(path, csv string, header ...string) answer {
	m.t.Helper()
	return m.send(http.MethodPost, path, strings.NewReader(csv), append([]string{"Content-Type", "text/csv"}, header...)...)
}

// decoded reads an answer as JSON.
func decoded[T any](t testing.TB, a answer, status int) (v T) {
	t.Helper()
	require.Equal(t, status, a.StatusCode, a.text)
	require.NoError(t, json.Unmarshal([]byte(a.text), &v), a.text)
	return v
}

// refused reads a problem.
func refused(t testing.TB, a answer, status int, detail string) api.Problem {
	t.Helper()
	p := decoded[api.Problem](t, a, status)
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	require.Equal(t, status, p.Status)
	require.Contains(t, p.Detail, detail)
	return p
}

// The whole way of a batch: loaded, watched, paused, resumed, sent, verified, retried.
func TestAPIBatch(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	loaded := m.load("/batches?name=autumn&priority=1", rows(3, "new.jpg"))
	require.Equal(t, "/api/v1/batches/1", loaded.Header.Get("Location"))
	require.Equal(t, "autumn", decoded[report.Batch](t, loaded, http.StatusCreated).Name)
	require.Equal(t, db.BatchPaused, decoded[report.Batch](t, m.act("/batches/1/pause"), http.StatusOK).Status)
	require.Equal(t, db.BatchActive, decoded[report.Batch](t, m.act("/batches/1/resume"), http.StatusOK).Status)
	b.work(t)
	m.until("/batches/1", `"status":"done"`)
	require.Equal(t, "new.jpg", b.api.Name(standin.AssetID(2), ""))

	v := decoded[usecase.Verified](t, m.act("/batches/1/verify"), http.StatusOK)
	require.EqualValues(t, 3, v.Asked)
	require.Zero(t, decoded[report.RetriedBatch](t, m.act("/batches/1/retry?status=failed"), http.StatusOK).Pending)
	refused(t, m.act("/batches/1/pause"), http.StatusConflict, "batch 1 is done and can't be paused")
	refused(t, m.act("/batches/1/apply"), http.StatusConflict, "only plans can be applied; POST /api/v1/plans makes one")
	refused(t, m.act("/batches/9/pause"), http.StatusNotFound, "no such batch: 9; GET /api/v1/batches lists those that exist")
	list := decoded[report.BatchList](t, m.look("/batches?limit=5&site=default"), http.StatusOK)
	require.Len(t, list.Batches, 1)

	entries, err := records.AuditEntries(t.Context(), b.DB, "batch 1", 0, 10)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, e := range entries {
		require.Equal(t, "n8n", e.Person, "%+v", e)
		require.Equal(t, "API", e.Via)
	}
}

func (m machine) until(path, text string) string {
	m.t.Helper()
	var last answer
	require.Eventually(m.t, func() bool {
		last = m.look(path)
		return strings.Contains(last.text, text)
	}, patience, poll, "%s never holds %s", path, text)
	return last.text
}

// A plan is read in the background, and applied.
func TestAPIPlan(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	require.Equal(t, db.BatchPlanned, decoded[report.Batch](t, m.load("/plans", rows(3, "new.jpg")), http.StatusCreated).Status)
	m.until("/batches/1/plan", `"change":3`)
	require.EqualValues(t, 3, decoded[usecase.Summary](t, m.look("/batches/1/plan"), http.StatusOK).Change)
	require.Equal(t, db.BatchActive, decoded[report.Batch](t, m.act("/batches/1/apply"), http.StatusOK).Status)

	m.load("/plans", rows(2, "newer.jpg"))
	m.until("/batches/2/plan", `"change":2`)
	m.act("/batches/2/compare")
	m.until("/batches/2/plan", `"change":2`)
	later := m.act("/batches/2/apply?take_over=true")
	require.Equal(t, http.StatusAccepted, later.StatusCode, later.text)
	m.until("/batches/2", `"status":"active"`)
	m.load("/plans", rows(2, "newest.jpg"))
	require.Equal(t, db.BatchCancelled, decoded[report.Batch](t, m.act("/batches/3/cancel"), http.StatusOK).Status)
}

// A site that can't be read leaves a plan, and the answer says what to do.
func TestAPIReadingFails(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	b.api.SetToken(testToken, standin.TokenForbidden)
	m.load("/plans", rows(3, "new.jpg"))
	m.until("/batches/1/plan", "could not be read")
	refused(t, m.look("/batches/1/plan"), http.StatusConflict, "POST /api/v1/batches/1/compare reads it again")
	b.api.SetToken(testToken, standin.TokenValid)
	require.Equal(t, http.StatusAccepted, m.act("/batches/1/compare").StatusCode)
	m.until("/batches/1/plan", `"change":3`)
}

// Rows as JSON, with the problems of each, as the command line prints them.
func TestAPIRows(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	send := func(path, body string) answer {
		return m.send(http.MethodPost, path, strings.NewReader(body), "Content-Type", "application/json; charset=utf-8")
	}
	body := fmt.Sprintf(`[{"asset_id": %q, "display_name": "one.jpg"}, {"asset_id": "bad", "display_name": "two.jpg"}]`, standin.AssetID(0))
	p := refused(t, send("/batches", body), http.StatusUnprocessableEntity, "1 row is invalid, so nothing was loaded: fix it, or load the others with skip_invalid=true")
	require.Len(t, p.Problems, 1)
	require.EqualValues(t, 2, p.Problems[0].Line)
	require.Equal(t, "asset_id", *p.Problems[0].Column)
	loaded := decoded[struct {
		report.Batch
		Problems []report.ProblemView
	}](t, send("/batches?skip_invalid=true", body), http.StatusCreated)
	require.EqualValues(t, 1, loaded.Invalid)
	require.Len(t, loaded.Problems, 1)

	for i := range 5 {
		require.Equal(t, http.StatusCreated, m.load("/batches", rows(2, fmt.Sprint(i))).StatusCode)
	}
	var found []int64
	for cursor := ""; ; {
		page := decoded[report.RowList](t, m.look("/rows?limit=3&status=pending,superseded&sort=oldest&cursor="+cursor), http.StatusOK)
		for _, r := range page.List {
			found = append(found, r.ID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Len(t, found, 11, "all pages together")
	refused(t, m.look("/rows?cursor=nonsense"), http.StatusUnprocessableEntity, "the cursor")
	refused(t, m.look("/rows?stauts=failed"), http.StatusUnprocessableEntity, "query.stauts: unknown query parameter")

	batch := fmt.Sprint("/batches/", loaded.BatchProgress.Batch)
	csv := m.look(batch + "/results")
	require.Equal(t, "text/csv; charset=utf-8", csv.Header.Get("Content-Type"), csv.text)
	require.Contains(t, csv.text, standin.AssetID(0)+",,one.jpg")
	refused(t, m.look("/rows?since=yesterday"), http.StatusUnprocessableEntity, "query.since: write a time as 2026-11-27T09:00:00Z")
	lines := m.look(batch + "/results?format=jsonl&status=invalid")
	require.Equal(t, "application/x-ndjson", lines.Header.Get("Content-Type"))
	require.Equal(t, "bad", decoded[records.Result](t, lines, http.StatusOK).AssetID)
}

// Wrong bodies are refused with what to do.
func TestAPIRefusesBodies(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{MaxUpload: 1 << 20, MaxRows: 5}})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	for _, c := range []struct {
		body, kind, path string
		status           int
		detail           string
	}{
		{"a,b\n1,2\n", "text/csv", "", 422, "no column says which asset is meant"},
		{"", "text/csv", "", 422, "is empty"},
		{"asset_id,display_name\n", "text/csv", "", 422, "no rows"},
		{"{}", "application/json", "", 422, "API request: this is not a list of rows: send [{"},
		{"[]", "application/json", "", 422, "API request: the list is empty: nothing to load"},
		{"[1]", "application/json", "", 422, `API request: row 1 is no object: send [{"asset_id"`},
		{rows(1, "x"), "text/csv", "?name=a&name=b", 422, "the parameter name is there 2 times"},
		{rows(6, "x"), "text/csv", "", 422, "more than 5 rows"},
		{rows(1, "x"), "application/x-www-form-urlencoded", "", 415, "send the rows as text/csv"},
		{rows(1, "x"), "text/csv", "?map=x", 422, "mapping"},
		{rows(1, "x"), "text/csv", "?site=none", 404, "no such site: none; GET /api/v1/sites lists those that exist"},
		{rows(1, "x"), "text/csv", "?priority=9", 422, "query.priority"},
		{rows(1, strings.Repeat("x", 2<<20)), "text/csv", "", 413, "larger than 1 MB"},
	} {
		refused(t, m.send(http.MethodPost, "/batches"+c.path, strings.NewReader(c.body), "Content-Type", c.kind), c.status, c.detail)
	}
	require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
}

// A key gives the same batch for the same request, and none for another.
func TestAPIIdempotency(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	type numbered struct{ Batch int64 }
	first := decoded[numbered](t, m.load("/batches", rows(3, "a"), "Idempotency-Key", "k1"), http.StatusCreated)
	again := m.load("/batches", rows(3, "a"), "Idempotency-Key", "k1")
	require.Equal(t, first, decoded[numbered](t, again, http.StatusOK))
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	refused(t, m.load("/batches", rows(3, "b"), "Idempotency-Key", "k1"), http.StatusUnprocessableEntity, "was used for batch 1")
	refused(t, m.load("/batches?force=true", rows(3, "a"), "Idempotency-Key", "k1"), http.StatusUnprocessableEntity, "was used for batch 1")
	refused(t, m.load("/plans", rows(3, "a"), "Idempotency-Key", "k1"), http.StatusUnprocessableEntity, "was used for batch 1")
	other := b.machine(t, "airflow", db.TokenWrite, "")
	require.Equal(t, http.StatusCreated, other.load("/batches", rows(3, "b"), "Idempotency-Key", "k1").StatusCode, "keys are each token's own")
	refused(t, m.load("/batches", "a,b\n1,2\n", "Idempotency-Key", "k2"), http.StatusUnprocessableEntity, "")
	require.Equal(t, http.StatusCreated, m.load("/batches", rows(3, "c"), "Idempotency-Key", "k2").StatusCode, "what was refused uses up no key")

	answers := make(chan answer, 8)
	for range cap(answers) {
		go func() { answers <- m.load("/batches", rows(30, "d"), "Idempotency-Key", "k3") }()
	}
	batches := map[int64]bool{}
	for range cap(answers) {
		a := <-answers
		if a.StatusCode == http.StatusServiceUnavailable { // too many at once
			require.NotEmpty(t, a.Header.Get("Retry-After"))
			continue
		}
		require.Contains(t, []int{http.StatusOK, http.StatusCreated}, a.StatusCode, a.text)
		var one numbered
		require.NoError(t, json.Unmarshal([]byte(a.text), &one))
		batches[one.Batch] = true
	}
	require.Len(t, batches, 1)
	require.Equal(t, 4, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
}

// expecting is rows with a column expected_name.
func expecting(n int, name string) string {
	lines := strings.Split(strings.TrimSpace(rows(n, name)), "\n")
	for i := range lines {
		lines[i] += "," + map[bool]string{true: "expected_name"}[i == 0]
	}
	return strings.Join(lines, "\n")
}

// A load that failed after its rows were stored, at the last step, is finished by the
// client that sends it again, once.
func TestAPIFinishesLoad(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	dbtest.Exec(t, b, `ALTER TABLE batch ADD CONSTRAINT never CHECK (status <> 'active')`)
	require.Equal(t, http.StatusInternalServerError, m.load("/batches", expecting(3, "a"), "Idempotency-Key", "k").StatusCode)
	require.Equal(t, "planned", dbtest.Value[string](t, b, `SELECT status::text FROM batch`))
	dbtest.Exec(t, b, `ALTER TABLE batch DROP CONSTRAINT never`)

	answers := make(chan answer, 2)
	for range cap(answers) {
		go func() { answers <- m.load("/batches", expecting(3, "a"), "Idempotency-Key", "k") }()
	}
	for range cap(answers) {
		a := <-answers
		require.Equal(t, db.BatchActive, decoded[report.Batch](t, a, http.StatusOK).Status)
		require.Equal(t, "true", a.Header.Get("Idempotency-Replayed"))
	}
	require.Equal(t, 1, dbtest.Value[int](t, b, `SELECT count(*)::int FROM audit WHERE action = 'apply' AND result = 'done'`))

	plan := decoded[report.Batch](t, m.load("/plans", rows(3, "b"), "Idempotency-Key", "plan"), http.StatusCreated)
	again := decoded[report.Batch](t, m.load("/plans", rows(3, "b"), "Idempotency-Key", "plan"), http.StatusOK)
	require.Equal(t, plan.Batch, again.Batch)
	require.Equal(t, db.BatchPlanned, again.Status, "a plan waits for its apply")
}

// A client that gives up while the site is read, and sends the same again, gets the batch
// when its rows are queued, and not before.
func TestAPIClientGivesUp(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	b.api.SetLatency(2*time.Second, 0)
	ctx, giveUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		r := m.request(http.MethodPost, api.Prefix+"/batches", strings.NewReader(expecting(3, "a")), "Content-Type", "text/csv", "Idempotency-Key", "k")
		r.Header.Set("Authorization", "Bearer "+m.secret)
		res, err := m.client.Do(r.WithContext(ctx))
		if err == nil {
			err = res.Body.Close()
		}
		gone <- err
	}()
	require.Eventually(t, func() bool { return dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`) > 0 }, patience, poll)
	giveUp()
	require.Error(t, <-gone, "the client has left")
	again := decoded[report.Batch](t, m.load("/batches", expecting(3, "a"), "Idempotency-Key", "k"), http.StatusOK)
	require.EqualValues(t, 1, again.Batch)
	require.Equal(t, db.BatchActive, again.Status)
}

// brokenBody ends in the middle.
type brokenBody struct{ whole *bytes.Reader } // not embedded, as its WriteTo would end well

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.whole.Read(p)
	if err == io.EOF {
		err = io.ErrClosedPipe
	}
	return n, err
}

// A client that leaves in the middle of a load leaves nothing, and may send it again.
func TestAPIClientLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	for _, kind := range []string{"text/csv", "application/json"} {
		body := "[" + strings.Repeat(`{"asset_id": "`+standin.AssetID(0)+`", "display_name": "x"},`, 500)
		if kind == "text/csv" {
			body = rows(40, "x") + standin.AssetID(1) + ",cut"
		}
		r := m.request(http.MethodPost, api.Prefix+"/batches", brokenBody{bytes.NewReader([]byte(body))}, "Content-Type", kind, "Idempotency-Key", kind)
		r.Header.Set("Authorization", "Bearer "+m.secret)
		res, err := m.client.Do(r)
		if err == nil { // an answer came before the client noticed that its body has failed
			text, _ := io.ReadAll(res.Body)
			require.NotEqual(t, http.StatusCreated, res.StatusCode, "%s %s", kind, text)
			require.NoError(t, res.Body.Close())
		}
		require.Eventually(t, func() bool {
			return dbtest.Value[int](t, b, `SELECT count(*)::int FROM audit WHERE action = 'load' AND result IS NOT NULL`) > 0
		}, patience, poll)
		require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
		require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM api_key`))
		dbtest.Exec(t, b, `DELETE FROM audit`)
	}
	require.Equal(t, http.StatusCreated, m.load("/batches", rows(3, "x"), "Idempotency-Key", "text/csv").StatusCode)
}

// An unchanged status costs no body.
func TestAPIETag(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	m.load("/batches", rows(3, "x"))
	for _, path := range []string{"/batches/1", "/sites/default"} {
		first := m.look(path)
		tag := first.Header.Get("ETag")
		require.NotEmpty(t, tag)
		same := m.look(path, "If-None-Match", `"other", W/`+tag)
		require.Equal(t, http.StatusNotModified, same.StatusCode)
		require.Empty(t, same.text)
		require.Equal(t, tag, same.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, m.look(path, "If-None-Match", `"other"`).StatusCode)
	}
	m.act("/batches/1/pause")
	m.act("/sites/default/pause")
	for _, path := range []string{"/batches/1", "/sites/default"} {
		require.Equal(t, http.StatusOK, m.look(path, "If-None-Match", m.look("/batches").Header.Get("ETag")).StatusCode)
	}
	require.Contains(t, m.act("/sites/default/resume").text, `"state":"ready"`)
	require.Len(t, decoded[report.SiteList](t, m.look("/sites"), http.StatusOK).Sites, 1)
}

// Schedules are listed, shown and run.
func TestAPISchedules(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.exampleSchedules(t)
	m := b.machine(t, "n8n", db.TokenWrite, "")
	require.Contains(t, m.look("/schedules").text, `"schedule":"nightly"`)
	require.Contains(t, m.look("/schedules/nightly").text, `"cron"`)
	require.Contains(t, m.look("/schedules/nightly/runs?limit=2").text, `"notices"`)
	run := m.act("/schedules/nightly/run")
	require.Contains(t, []int{http.StatusOK, http.StatusConflict}, run.StatusCode, run.text)
	require.Equal(t, 1, dbtest.Value[int](t, b, `SELECT count(*)::int FROM audit WHERE subject = 'schedule nightly' AND person = 'n8n'`))
	refused(t, m.act("/schedules/none/run"), http.StatusNotFound, "GET /api/v1/schedules lists those that exist")
}
