package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
	"relabel/internal/webflow"
)

func TestRunSendsWhatDiffers(t *testing.T) {
	t.Parallel()
	b := setup(t, 300)
	b.write(0, 300)
	b.agree(300, 7, 99, 250)
	b.add(nil)
	b.turn()
	require.Empty(t, b.runs(), "it is not due")

	run := b.run(at2(1), "done")
	require.Equal(t, int64(300), run.LookedAt)
	require.Equal(t, int64(3), run.Different)
	require.Equal(t, int64(3), run.Renamed)
	require.Equal(t, int64(3), run.Reads)
	require.Equal(t, int64(3), run.Writes)
	require.Nil(t, run.Error)
	require.Positive(t, run.Duration())
	require.True(t, at2(1).Equal(run.DueAt))
	require.Equal(t, map[string]int{"GET": 3, "PATCH": 3}, b.calls())
	for _, i := range []int{7, 99, 250} {
		require.Equal(t, wanted(i), b.api.Name(standin.AssetID(i), ""))
	}
	st, err := records.Batch(t.Context(), b.DB, *run.Batch)
	require.NoError(t, err)
	require.Equal(t, "nightly 2027-05-01 02:00", st.Name)
	require.Equal(t, db.BatchDone, st.Status)

	// The next night somebody has changed one by hand.
	require.True(t, at2(2).Equal(*b.schedule().NextRunAt))
	b.api.SetName(standin.AssetID(42), "", "by hand")
	run = b.run(at2(2), "done")
	require.Equal(t, int64(1), run.Renamed)
	require.Equal(t, wanted(42), b.api.Name(standin.AssetID(42), ""))
	require.Equal(t, "ok", b.schedule().State)
	require.Len(t, b.runs(), 2)

	// And the next nothing differs.
	run = b.run(at2(3), "done")
	require.Zero(t, run.Different)
	require.Equal(t, map[string]int{"GET": 9, "PATCH": 4}, b.calls())

	// Of earlier runs only what was sent is kept; a batch of nothing is gone.
	b.run(at2(4), "done")
	b.until("earlier runs are thinned", func() bool { return b.runs()[2].Batch == nil })
	for i, want := range []int64{3, 1} {
		st, err := records.Batch(t.Context(), b.DB, *b.runs()[i].Batch)
		require.NoError(t, err)
		require.Equal(t, want, st.Total)
		require.Equal(t, want, st.Succeeded)
		require.Equal(t, db.BatchDone, st.Status)
	}
	var rows int
	require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT count(*) FROM rename`).Scan(&rows))
	require.Equal(t, 3+1+300, rows)
}

func TestModeAll(t *testing.T) {
	t.Parallel()
	b := setup(t, 30)
	b.write(0, 30)
	b.agree(30)
	b.add(func(s *scheduledb.Schedule) { s.Mode = "all" })
	b.run(at2(1), "done")
	run := b.run(at2(2), "done")
	require.Equal(t, int64(30), run.Renamed)
	require.Equal(t, map[string]int{"PATCH": 60}, b.calls())
	b.writeRows("asset_id,display_name,expected_name", func(w io.Writer) { fmt.Fprintf(w, "%s,a,b\n", standin.AssetID(1)) })
	require.Contains(t, *b.run(at2(3), "failed").Error, "expected_name")
}

// Only the rows of some locales are looked at; their tags cost one call.
func TestLocales(t *testing.T) {
	t.Parallel()
	b := setup(t, 40)
	b.writeRows("asset_id,display_name,locale", func(w io.Writer) {
		for i := range 40 {
			for _, l := range []string{"en", "fr-FR", "de-DE"} {
				fmt.Fprintf(w, "%s,%s %s,%s\n", standin.AssetID(i), wanted(i), l, l)
			}
		}
	})
	b.add(func(s *scheduledb.Schedule) { s.Locales = []string{"fr-FR", "de-DE"} })
	run := b.run(at2(1), "done")
	require.Equal(t, int64(80), run.Renamed)
	require.Equal(t, int64(80), run.LookedAt)
	require.Contains(t, *run.Note, "80 rows set a display name in a secondary locale, such as line 3; ")
	require.Contains(t, *run.Note, "; --names-in-locales drop or refuse prevents that; 40 rows of other locales left out")
	require.Equal(t, int64(3), run.Reads, "the site, and a page for each locale")
	require.Equal(t, wanted(3)+" fr-FR", b.api.Name(standin.AssetID(3), standin.FrenchLocale))
	require.NotContains(t, b.api.Name(standin.AssetID(3), ""), "wanted")

	b.write(0, 40)
	require.Contains(t, *b.run(at2(2), "failed").Error, "no column locale")
}

// The primary locale by its own id is the target that it is without one; who can't
// be told which that is says so, and goes on.
func TestPrimaryLocale(t *testing.T) {
	t.Parallel()
	b := setup(t, 5)
	b.writeRows("asset_id,display_name,locale_id", func(w io.Writer) {
		for i := range 5 {
			fmt.Fprintf(w, "%s,%s,%s\n", standin.AssetID(i), wanted(i), standin.PrimaryLocale)
		}
	})
	b.add(nil)
	b.api.FailNext(standin.Status(403))
	run := b.run(at2(1), "done")
	require.Contains(t, *run.Note, "the primary locale's id is not known")
	require.EqualValues(t, 2, run.Reads, "the site, and a page")
	locales := func() (list []string) {
		require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT array_agg(DISTINCT locale_id) FROM rename WHERE batch_id = $1`,
			*b.last().Batch).Scan(&list))
		return list
	}
	require.Equal(t, []string{standin.PrimaryLocale}, locales())
	require.Nil(t, b.run(at2(2), "done").Note)
	require.Equal(t, []string{""}, locales())
	require.EqualValues(t, 1, b.run(at2(3), "done").Reads, "a page: the locale is known by now")
}

func TestMaxChange(t *testing.T) {
	t.Parallel()
	b := setup(t, 100)
	b.write(0, 100)
	b.agree(100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	limit, url := "10%", "https://example.com/hook"
	b.add(func(s *scheduledb.Schedule) { s.MaxChange, s.NotifyURL = &limit, &url })
	held := b.run(at2(1), "held")
	require.Equal(t, int64(11), held.Different)
	require.Contains(t, *held.Error, fmt.Sprintf("`relabel apply %d`", *held.Batch))
	require.Zero(t, b.calls()["PATCH"])
	require.Equal(t, "held", b.schedule().State)
	require.Equal(t, []string{"held"}, b.events())

	// The next night's plan takes its place; nobody is told the same again.
	newer := b.run(at2(2), "held")
	require.Equal(t, []string{"held"}, b.events())
	b.until("the older plan is discarded", func() bool {
		st, err := records.Batch(t.Context(), b.DB, *held.Batch)
		require.NoError(t, err)
		return st.Status == "cancelled"
	})
	require.Equal(t, scheduledb.RunCancelled, b.runs()[0].Status)

	require.NoError(t, b.apply(*newer.Batch))
	done := b.run(at2(2).Add(time.Hour), "done")
	require.Equal(t, newer.Run, done.Run)
	require.Equal(t, int64(11), done.Renamed)
	require.Equal(t, 11, b.calls()["PATCH"])
	require.Equal(t, []string{"held", "recovered"}, b.events())

	b.agree(100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	for i := 1; i <= 10; i++ {
		b.api.SetName(standin.AssetID(i), "", "by hand")
	}
	require.Equal(t, int64(10), b.run(at2(3), "done").Renamed, "just as many as allowed")
}

func TestParseMaxChange(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		changes, rows int64
		exceeded      bool
	}{
		"20%": {20, 100, false}, "20 %": {21, 100, true}, "0%": {0, 100, false}, "0.5%": {1, 100, true},
		"100%": {100, 100, false}, "500": {500, 501, false}, "0": {1, 1000, true},
	} {
		m, err := ParseMaxChange(text)
		require.NoError(t, err, text)
		require.Equal(t, c.exceeded, m.exceeded(c.changes, c.rows), text)
	}
	for _, text := range []string{"", "x", "-1", "101%", "-1%", "NaN%", "1.5", "20%%"} {
		_, err := ParseMaxChange(text)
		require.Error(t, err, text)
	}
}

// A source that can't be read changes nothing, fails the run and is told once;
// the next good night is told as recovery.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, 10)
	url := "https://example.com/hook"
	b.add(func(s *scheduledb.Schedule) { s.NotifyURL = &url })
	for day, c := range []struct {
		name, text, says string
	}{
		{"no file", "", "no such file"},
		{"empty", " ", "empty"},
		{"no rows", "asset_id,display_name\n", "no rows"},
		{"no column", "asset,display_name\n1,2\n", "asset_id"},
		{"a bad row", "asset_id,display_name\n" + standin.AssetID(1) + ",good\nxyz,bad\n", "line 3"},
		{"a quote left open", "asset_id,display_name\n" + standin.AssetID(1) + ",\"good\n", "quote"},
	} {
		if c.text != "" {
			require.NoError(t, os.WriteFile(b.csv, []byte(c.text), 0o600))
		}
		run := b.run(at2(day+1), "failed")
		require.Contains(t, *run.Error, c.says, c.name)
		require.Nil(t, run.Batch, c.name)
	}
	require.Equal(t, []string{"failed"}, b.events())
	b.write(0, 10)
	b.run(at2(20), "done")
	require.Equal(t, []string{"failed", "recovered"}, b.events())
	require.Equal(t, 10, b.calls()["PATCH"])
	var batches int
	require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT count(*) FROM batch`).Scan(&batches))
	require.Equal(t, 1, batches)
}

func TestSkipInvalidAndTrouble(t *testing.T) {
	t.Parallel()
	b := setup(t, 10)
	b.writeRows("asset_id,display_name", func(w io.Writer) {
		fmt.Fprintf(w, "%s,good\nxyz,bad\n%024x,of nobody\n", standin.AssetID(1), 0xdead)
	})
	url := "https://example.com/hook"
	b.add(func(s *scheduledb.Schedule) { s.SkipInvalid, s.NotifyURL = true, &url })
	run := b.run(at2(1), "done")
	require.Equal(t, int64(1), run.Renamed)
	require.Equal(t, int64(1), run.Failed)
	require.Equal(t, int64(1), run.Invalid)
	require.Equal(t, []string{"trouble"}, b.events())
}

func TestExpectedNameIsHeeded(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	b.api.SetName(standin.AssetID(0), "", "old")
	b.api.SetName(standin.AssetID(1), "", "by hand")
	b.writeRows("asset_id,display_name,expected_name", func(w io.Writer) {
		fmt.Fprintf(w, "%s,new,old\n%s,new,old\n", standin.AssetID(0), standin.AssetID(1))
	})
	b.add(nil)
	run := b.run(at2(1), "done")
	require.Equal(t, int64(1), run.Renamed)
	require.Equal(t, int64(1), run.Conflicts)
	require.Equal(t, "by hand", b.api.Name(standin.AssetID(1), ""))
}

// A query's database is named by a variable of the process that works; its URL is
// stored nowhere.
func TestSQLSource(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	query, env := fmt.Sprintf("SELECT '%s' AS id, 'from sql' AS display_name", standin.AssetID(1)), "NAMES_SOURCE_URL"
	columns := "asset_id=id"
	b.add(func(s *scheduledb.Schedule) { s.CSV, s.Query, s.SourceEnv, s.ColumnMap = nil, &query, &env, &columns })
	require.Contains(t, *b.run(at2(1), "failed").Error, "NAMES_SOURCE_URL")
	b.env[env] = b.url
	require.EqualValues(t, 1, b.run(at2(2), "done").Renamed)
	require.Equal(t, "from sql", b.api.Name(standin.AssetID(1), ""))
	b.env[env] = "postgres://u:geheim@127.0.0.1:1/none"
	run := b.run(at2(3), "failed")
	require.Contains(t, *run.Error, "can't be reached")
	require.NotContains(t, *run.Error, "geheim")
}

// A batch that relabel itself has paused wants a person: it is told, once.
func TestBatchPausedIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	b.write(0, 3)
	url := "https://example.com/hook"
	b.add(func(s *scheduledb.Schedule) { s.NotifyURL = &url })
	for range 50 {
		b.api.FailNext(standin.Status(404)) // of the site: the run fails
	}
	require.Equal(t, scheduledb.RunFailed, b.run(at2(1), "failed").Status)
	b.exec(`UPDATE schedule_run SET status = 'sending', finished_at = NULL, drops_plan = false`)
	b.exec(`UPDATE batch SET status = 'paused', status_reason = 'too many rows failed alike', finished_at = NULL`)
	b.turn()
	b.turn()
	require.Equal(t, []string{"failed", "held"}, b.events())
	require.Equal(t, "held", b.schedule().State)
}

// A token without sites:read says what to do.
func TestLocalesMayNotBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	b.writeRows("asset_id,display_name,locale", func(w io.Writer) { fmt.Fprintf(w, "%s,x,fr-FR\n", standin.AssetID(1)) })
	b.add(nil)
	b.api.FailNext(standin.Status(403))
	require.Contains(t, *b.run(at2(1), "failed").Error, "sites:read")
}

// A token that may not read: relabel's own record decides, and the run says so.
func TestMayNotRead(t *testing.T) {
	t.Parallel()
	b := setup(t, 5)
	b.write(0, 5)
	b.add(nil)
	b.api.FailNext(standin.Status(403))
	run := b.run(at2(1), "done")
	require.Equal(t, int64(5), run.Renamed)
	require.Contains(t, *run.Note, "own record")
	b.api.FailNext(standin.Status(403))
	run = b.run(at2(2), "done")
	require.Zero(t, run.Different, "it was all sent the night before")
	require.Equal(t, 5, b.calls()["PATCH"])
}

// A refused token parks the site, as with renames; the run goes on when it is
// mended.
func TestParked(t *testing.T) {
	t.Parallel()
	b := setup(t, 5)
	b.write(0, 5)
	url := "https://example.com/hook"
	b.add(func(s *scheduledb.Schedule) { s.NotifyURL = &url })
	b.api.FailNext(standin.Status(401))
	b.clock.set(at2(1))
	b.until("the site is parked, and that is told", func() bool { return b.schedule().State == "parked" })
	require.Equal(t, scheduledb.RunReading, b.last().Status)
	b.turn()
	require.Equal(t, []string{"parked"}, b.events())
	require.Zero(t, b.calls()["PATCH"])
	ok, err := b.UnparkSite(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.True(t, ok)
	run := b.run(at2(1).Add(time.Hour), "done")
	require.Equal(t, int64(5), run.Renamed)
	require.Equal(t, []string{"parked", "recovered"}, b.events())
	require.Len(t, b.runs(), 1)
}

// An API that is ill is read again later, after as long as the clock says.
func TestReadingIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, 150)
	b.write(0, 150)
	b.agree(150, 3)
	b.add(nil)
	for range 5 { // one reading gives up after as many
		b.api.FailNext(standin.Status(500))
	}
	b.clock.set(at2(1))
	waits := func() bool {
		var n int
		require.NoError(t, b.Pool().QueryRow(t.Context(), `
			SELECT count(*) FROM schedule_run WHERE failures = 1 AND process_id IS NULL AND error LIKE '%500%'`).Scan(&n))
		return n == 1
	}
	b.until("the run waits", waits)
	calls := b.api.Calls()
	b.clock.add(59 * time.Second)
	b.turn()
	require.True(t, waits())
	require.Equal(t, calls, b.api.Calls())
	run := b.run(at2(1).Add(time.Minute), "done")
	require.Equal(t, int64(1), run.Renamed)
	require.Nil(t, run.Error)
	require.Equal(t, "ok", b.schedule().State, "nobody had to hear of it")
}

func TestActionAfter(t *testing.T) {
	t.Parallel()
	answer := func(k webflow.Kind) error { return fmt.Errorf("error reading: %w", &webflow.Error{Kind: k}) }
	for name, c := range map[string]struct {
		err      error
		stopped  bool
		failures int
		want     failureAction
	}{
		"lost":                  {err: fmt.Errorf("x: %w", scheduledb.ErrRunLost), want: leaveRun},
		"stopped":               {err: context.Canceled, stopped: true, want: releaseRun},
		"stopped at a call":     {err: answer(webflow.KindUnknown), stopped: true, want: releaseRun},
		"401":                   {err: answer(webflow.KindUnauthorized), want: parkSite},
		"403":                   {err: answer(webflow.KindForbidden), want: failRun},
		"404":                   {err: answer(webflow.KindNotFound), want: failRun},
		"500":                   {err: answer(webflow.KindUnavailable), want: retryRun},
		"500, the fifth":        {err: answer(webflow.KindUnavailable), failures: 4, want: retryRun},
		"500, the sixth":        {err: answer(webflow.KindUnavailable), failures: 5, want: failRun},
		"no connection":         {err: answer(webflow.KindNotSent), want: retryRun},
		"429 again and again":   {err: answer(webflow.KindRateLimited), want: retryRun},
		"the database restarts": {err: &pgconn.PgError{Code: "57P01"}, want: retryRun},
		"the source":            {err: errors.New("no such file"), want: failRun},
	} {
		require.Equal(t, c.want, actionAfter(c.err, c.stopped, c.failures), name)
	}
	var waits []string
	for n := range maxFailures {
		waits = append(waits, retryAfter(n).String())
	}
	require.Equal(t, []string{"1m0s", "2m0s", "4m0s", "8m0s", "16m0s", "16m0s"}, waits)
}
