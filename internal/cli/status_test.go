package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

func TestStatus(t *testing.T) {
	b := setup(t, standin.Config{Assets: 30})
	require.Contains(t, b.ok("status").stdout, "no batches yet: relabel run FILE.csv")
	require.Equal(t, []any{}, b.ok("status", "--json").json()["batches"])
	b.ok("site", "set", "--site", "shop")
	b.enqueue(names(30), "--name", "first")
	b.enqueue(names(3), "--site", "shop", "--name", "second")

	list := b.ok("status").stdout
	require.Regexp(t, `BATCH +STATUS +DONE +FAILED +ENDS +SITE +NAME\n +2 +active +0/3 +0 +- +shop +second\n +1 .* default +first\n`, list)
	require.Len(t, b.ok("status", "--json").json()["batches"], 2)
	only := b.ok("status", "--json", "--site", "shop").json()["batches"].([]any)
	require.Len(t, only, 1)
	require.Equal(t, "second", only[0].(map[string]any)["name"])
	b.run("status", "--site", "nope").fails(exitError, "no such site: nope; `relabel site list` shows")

	one := b.ok("status", "1").stdout
	require.Contains(t, one, `Batch 1 "first" on site default is active`)
	require.Contains(t, one, "30 rows: 30 pending")
	b.run("status", "99").fails(exitError, "no such batch: 99")
}

// In a pipe, --watch prints lines and in the end the summary.
func TestWatch(t *testing.T) {
	b := setup(t, standin.Config{Assets: 40}).with("WEBFLOW_RATE_LIMIT", "20/1s")
	id := b.enqueue(names(40))
	w := b.start("", "status", id, "--watch")
	w.says("batch " + id + " standard input: 0 of 40 rows done, 0.0 calls/s, 0 answered 429")
	b.ok("work", "--until-done")
	r := w.wait().exits(exitOK)
	require.Contains(t, r.stdout, "40 rows: 40 succeeded")
	require.NotContains(t, r.stdout+r.stderr, "\x1b", "no terminal, no colours")
	require.Equal(t, "done", b.ok("status", id, "--watch", "--json").json()["status"])
}

// Without a batch it shows all that run, and in the end the list.
func TestWatchAll(t *testing.T) {
	b := setup(t, standin.Config{Assets: 40}).with("WEBFLOW_RATE_LIMIT", "20/1s")
	require.Contains(t, b.ok("status", "--watch").stdout, "no batches yet")
	b.enqueue(names(20), "--name", "first")
	b.enqueue("asset_id,display_name\n"+standin.AssetID(30)+",second.jpg\n"+standin.AssetID(99)+",gone.jpg\n", "--name", "second")
	b.run("status", "--watch", "--site", "nope").fails(exitError, "no such site: nope")
	all := b.start("", "status", "--watch")
	all.says("batch 1 first: 0 of 20 rows done")
	all.says("batch 2 second: 0 of 2 rows done, 20 rows of other batches come first")
	all.says("site default: no worker is running; `relabel work` sends it")
	one := b.start("", "status", "2", "--watch")
	one.says("batch 2 second: 0 of 2 rows done")
	one.says("batch 1 first: 0 of 20 rows done")
	require.Equal(t, exitTrouble, b.run("work", "--until-done").code)
	all.says(`Batch 1 "first" on site default is done`)
	require.Regexp(t, `2 +done +2/2 +1 .* default +second\n`, all.wait().exits(exitOK).stdout)
	one.wait().exits(exitOK)
}

func TestBatchCommands(t *testing.T) {
	b := setup(t, standin.Config{Assets: 5})
	id := b.enqueue(names(5))
	require.Contains(t, b.ok("batch", "pause", id).stdout, "is paused")
	r := b.ok("work", "--until-done")
	require.Contains(t, r.stderr, "warning: 5 rows wait in paused batches")
	require.Zero(t, b.api.Calls())
	require.Equal(t, "active", b.ok("batch", "resume", id, "--json").json()["status"])
	b.ok("work", "--until-done")
	b.sentOnce(5)
	b.run("batch", "pause", id).fails(exitError, "batch "+id+" is done and can't be paused")

	other := b.enqueue("asset_id,display_name\n" + standin.AssetID(0) + ",other\n")
	v := b.ok("batch", "cancel", other, "--json").json()
	require.Equal(t, "cancelled", v["status"])
	require.Equal(t, 1., v["cancelled"], "at once, though no worker runs")
	b.run("batch", "resume", other).fails(exitError, "is cancelled and can't be resumed")
	b.run("batch", "pause", "99").fails(exitError, "no such batch: 99")
}

func TestSites(t *testing.T) {
	b := setup(t, standin.Config{})
	v := b.ok("site", "set", "--site", "shop", "--token-env", "SHOP_WEBFLOW_TOKEN", "--rate", "120/1m", "--locale-in", "body",
		"--site-id", standin.SiteID, "--json").json()
	require.Equal(t, "shop", v["name"])
	require.Equal(t, "SHOP_WEBFLOW_TOKEN", v["token_env"])
	require.Equal(t, "120/1m", v["rate_limit"])
	require.Equal(t, standin.SiteID, v["webflow_site_id"])
	require.Equal(t, "ready", v["state"])
	v = b.ok("site", "set", "--site", "shop", "--rate", "", "--json").json()
	require.Nil(t, v["rate_limit"], "back to the default")
	require.Equal(t, "SHOP_WEBFLOW_TOKEN", v["token_env"], "not given, not changed")
	require.Regexp(t, `default +not known yet +WEBFLOW_TOKEN or WEBFLOW_TOKEN_FILE +ready\nshop +not known yet +SHOP_WEBFLOW_TOKEN +`, b.ok("site", "list").stdout)
	for _, site := range b.ok("site", "list", "--json").json()["sites"].([]any) {
		for key := range site.(map[string]any) {
			require.Regexp(t, `^[a-z_]+$`, key)
		}
	}
	b.run("site", "resume", "--site", "nope").fails(exitError, "no such site: nope")
}

func TestMigrate(t *testing.T) {
	b := setup(t, standin.Config{}).with("DATABASE_URL", dbtest.EmptyURL(t))
	for _, args := range [][]string{{"status"}, {"enqueue", "-"}, {"work"}, {"doctor"}} {
		require.Contains(t, b.run(args...).exits(exitError).stdout+b.run(args...).stderr, "run `relabel migrate up` first", "%q", args)
	}
	r := b.ok("migrate", "status")
	require.Regexp(t, `^relabel's tables: version 0 of \d+; River's: 0 of \d+\n$`, r.stdout)
	require.Contains(t, r.stderr, "next: relabel migrate up")
	v := b.ok("migrate", "up", "--json").json()
	require.Equal(t, v["latest"], v["version"])
	require.Equal(t, v["river_latest"], v["river_version"])
	b.ok("migrate", "up")
	b.enqueue(names(1))
	b.run("migrate", "down").fails(exitUsage, "--yes")
	require.Contains(t, b.ok("migrate", "down", "--yes").stdout, "version 0 of")
	b.ok("migrate", "down", "--yes")
	b.run("status").fails(exitError, "migrate up")

	b.ok("migrate", "up")
}

func TestDoctor(t *testing.T) {
	b := setup(t, standin.Config{})
	r := b.ok("doctor")
	require.Contains(t, r.stdout, "ok       database")
	require.Contains(t, r.stdout, "found for site default")
	r = b.with("WEBFLOW_TOKEN", "").run("doctor").exits(exitError)
	require.Contains(t, r.stdout, "PROBLEM  token     site default: no Webflow token: set WEBFLOW_TOKEN")
	require.Equal(t, "doctor found 1 problem", r.errorLine())
	v := b.ok("doctor", "--json").json()
	require.Len(t, v["findings"], 3)
	r = b.with("DATABASE_URL", "postgres://u:sesame@127.0.0.1:1/x").run("doctor").exits(exitError)
	require.Contains(t, r.stdout, "PROBLEM  database  PostgreSQL at 127.0.0.1:1 can't be reached")
	for _, command := range []string{"status", "stop", "url", "psql"} {
		b.run("db", command).fails(exitError, "DATABASE_URL is set")
	}
}
