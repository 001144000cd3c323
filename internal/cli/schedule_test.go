package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// What is wrong with a schedule is said before anything is opened.
func TestScheduleUsage(t *testing.T) {
	b := setupPrivate(t, standin.Config{}).with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"add"}, "takes a NAME and one SOURCE"},
		{[]string{"add", "n"}, "takes a NAME and one SOURCE"},
		{[]string{"add", "n", "a.csv", "--sql", "SELECT 1", "--cron", "@daily"}, "takes a NAME and one SOURCE"},
		{[]string{"add", "N", "a.csv", "--cron", "@daily"}, "a schedule's name is"},
		{[]string{"add", "n", "a.csv"}, "--cron is missing"},
		{[]string{"add", "n", "a.csv", "--cron", "61 * * * *"}, `minute: "61" is not right: it takes 0 to 59`},
		{[]string{"add", "n", "a.csv", "--cron", "0 2 * * * *"}, "has 6 fields"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--tz", "Mars/Base"}, `no time zone "Mars/Base"`},
		{[]string{"add", "n", "-", "--cron", "@daily"}, "can't read standard input"},
		{[]string{"add", "n", "http://example.com/a.csv", "--cron", "@daily"}, "must begin with https://"},
		{[]string{"add", "n", "https://u:p@example.com/a.csv", "--cron", "@daily"}, "password"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-url", "postgres://u:geheim@h/d", "--cron", "@daily"}, "--source-url would be stored with its password"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-url", "postgres://u:g%65heim@h/d", "--cron", "@daily"}, "--source-url would be stored with its password"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-url", "host=h user=u password='g\\eheim'", "--cron", "@daily"}, "--source-url would be stored with its password"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-url", "postgres://u@h/d?%70assword=g%65heim", "--cron", "@daily"}, "--source-url would be stored with its password"},
		{[]string{"add", "n", "https://u:geheim%zz@example.com/a.csv", "--cron", "@daily"}, "no URL"},
		{[]string{"add", "n", "ftp://u:geheim@example.com/a.csv", "--cron", "@daily"}, "password"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--notify", "https://u:geheim@example.com"}, "--notify: a URL with a user or a password"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-env", "postgres://h/d", "--cron", "@daily"}, "--source-env takes the name"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--mode", "some"}, "--mode is changed or all"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--overlap", "both"}, "--overlap is skip, queue or cancel"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--catch-up", "soon"}, "--catch-up is a duration"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--max-change", "200%"}, "--max-change"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--max-change", "5", "--mode", "all"}, "give one of them"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--notify", "http://example.com"}, "--notify: the URL must begin with https://"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--map", "x"}, "--map"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-url", "mysql://u:geheim@h/d", "--cron", "@daily"}, "--source-url would be stored with its password"},
		{[]string{"add", "n", "--sql", "SELECT 1", "--source-url", "sqlite:names.db", "--cron", "@daily"}, "--source-url: the source's URL can't be read: a stored URL holds the whole path"},
		{[]string{"add", "n", "--exec", "bq query", "--cron", "@daily"}, "--exec: not allowed: schedules run no commands here; to allow it, set RELABEL_ALLOW_EXEC=1"},
		{[]string{"add", "n", "a.csv", "--exec", "bq query", "--cron", "@daily"}, "takes a NAME and one SOURCE"},
		{[]string{"add", "n", "a.csv", "--cron", "@daily", "--names-in-locales", "x"}, "--names-in-locales is keep, drop or refuse"},
		{[]string{"show"}, "takes the NAME of one schedule"},
		{[]string{"nightly"}, "there is no command"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			b := *b
			b.t = t
			r := b.run(append([]string{"schedule"}, c.args...)...).fails(exitUsage, c.want)
			require.NotContains(t, r.stderr, "geheim")
		})
	}
}

// A schedule from its making to its removal, as a person and a script see it.
func TestSchedule(t *testing.T) {
	b := setup(t, standin.Config{Assets: 5})
	b.ok("site", "set", "--site-id", standin.SiteID)
	b.file("names.csv", names(5))
	r := b.ok("schedule", "add", "nightly", "names.csv", "--cron", "0 2 * * *", "--tz", "Europe/Berlin",
		"--max-change", "50%", "--notify", "https://example.com/hook/secret")
	require.Equal(t, 3, strings.Count(r.stdout, " (in "), "the next three times")
	b.run("schedule", "add", "nightly", "names.csv", "--cron", "@daily").fails(exitError, "already")
	v := b.ok("schedule", "list", "--json").json()["schedules"].([]any)[0].(map[string]any)
	require.Len(t, v["next"], 3)
	require.Equal(t, "https://example.com/…", v["notify"])
	require.True(t, strings.HasPrefix(v["source"].(string), "/"), "the path is absolute")
	require.Contains(t, b.ok("schedule", "list").stdout, "never ran")

	r = b.ok("schedule", "run", "nightly")
	require.Contains(t, r.stdout, "is queued")
	require.Contains(t, r.stderr, "it waits for a worker: start `relabel work`")
	b.run("schedule", "run", "nightly").fails(exitError, "still under way")
	b.ok("work", "--until-done")
	require.Contains(t, b.ok("schedule", "history", "nightly").stdout, "5 of 5 rows would change, more than --max-change 50%")
	require.Zero(t, b.patches())

	b.ok("schedule", "edit", "nightly", "--max-change", "", "--notify", "")
	b.ok("schedule", "run", "nightly")
	b.ok("work", "--until-done")
	require.Equal(t, 5, b.patches())
	h := b.ok("schedule", "history", "nightly", "--json").json()
	run := h["runs"].([]any)[0].(map[string]any)
	require.Equal(t, "done", run["status"])
	require.Equal(t, 5., run["renamed"])
	require.Equal(t, true, run["by_hand"])
	require.Equal(t, run["reads"].(float64)+5, run["calls"])
	require.Equal(t, "ok", h["state"])

	b.ok("schedule", "pause", "nightly", "--note", "the file moves")
	require.Contains(t, b.ok("schedule", "list").stdout, "the file moves")
	require.Empty(t, b.ok("schedule", "show", "nightly", "--json").json()["next"])
	b.ok("schedule", "resume", "nightly")
	require.Len(t, b.ok("schedule", "show", "nightly", "--json").json()["next"], 3)
	b.ok("schedule", "remove", "nightly")
	b.run("schedule", "show", "nightly").fails(exitError, "no such schedule")
}

// A run becomes rows: whoever asks meanwhile what is left sees one of the two.
func TestWorkloadIsOfOneMoment(t *testing.T) {
	b := setup(t, standin.Config{Assets: 5})
	b.ok("site", "set", "--site-id", standin.SiteID)
	b.file("names.csv", names(5))
	b.enqueue(names(5))
	b.ok("batch", "pause", "1")
	b.ok("schedule", "add", "nightly", "names.csv", "--cron", "0 2 * * *")
	b.ok("schedule", "run", "nightly")
	d := b.db()
	site, err := d.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	w := newWorkWatch(&session{DB: d}, []jobs.SiteConfig{{Site: site}}, time.Now(), time.Minute)

	tx, err := d.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE schedule_run`)
	require.NoError(t, err)
	read := make(chan workload, 1)
	go func() {
		load, err := w.workload(t.Context())
		assert.NoError(t, err)
		read <- load
	}()
	require.Eventually(t, func() bool {
		var waits bool
		err := d.Pool().QueryRow(t.Context(), `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
		return err == nil && waits
	}, time.Minute, 10*time.Millisecond)
	for _, change := range []string{`UPDATE schedule_run SET status = 'sending', batch_id = 1`, `UPDATE batch SET status = 'active' WHERE id = 1`} {
		_, err := tx.Exec(t.Context(), change)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit(t.Context()))
	require.False(t, (<-read).done())
}
