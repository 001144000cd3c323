package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

func TestRun(t *testing.T) {
	b := setup(t, standin.Config{Assets: 20, Normalise: strings.TrimSpace})
	b.file("names.csv", names(20))
	r := b.ok("run", "names.csv")
	require.Contains(t, r.stdout, `Batch 1 "names.csv" on site default is done after`)
	require.Contains(t, r.stdout, "20 rows: 20 succeeded")
	require.Contains(t, r.stdout, "20 calls, 0 answered 429")
	require.Contains(t, r.stdout, "next: relabel results 1 -o results.csv")
	b.sentOnce(20)

	t.Run("quiet", func(t *testing.T) {
		b.file("other.csv", "asset_id,display_name\n"+standin.AssetID(0)+",spaced \n")
		r := b.ok("run", "other.csv", "--quiet", "--json")
		require.Empty(t, r.stderr)
		v := r.json()
		for _, key := range []string{
			"batch", "name", "site", "status", "total", "pending", "sending", "succeeded", "failed", "superseded",
			"unchanged", "conflict", "cancelled", "invalid", "calls", "rate_limited", "started_at", "finished_at", "eta",
		} {
			require.Contains(t, v, key)
		}
		require.Equal(t, "done", v["status"])
		require.Equal(t, v, b.status("2"))
		require.Contains(t, b.ok("results", "2", "--json").stdout, `"applied_name":"spaced"`)
	})
}

// What does not succeed is told by cause, with an example and the next command.
func TestRunTrouble(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	b.file("names.csv", names(5)) // two more than there are
	r := b.run("run", "names.csv").exits(exitTrouble)
	require.Equal(t, "2 rows of batch 1 did not succeed", r.errorLine())
	require.Contains(t, r.stdout, "5 rows: 3 succeeded, 2 failed")
	require.Contains(t, r.stdout, "2 × resource_not_found: ")
	require.Contains(t, r.stdout, "HTTP 404), such as line 5, asset "+standin.AssetID(3)+` → "name 3.jpg"`)
	require.Contains(t, r.stdout, "next: relabel results 1 --status failed -o failed.csv")
	require.Contains(t, b.ok("status", "1").stdout, "2 × resource_not_found: ")
}

// A token that is refused parks the site: rows wait, and go on where they
// stopped once it is mended.
func TestParked(t *testing.T) {
	b := setup(t, standin.Config{Assets: 10})
	b.api.SetToken(testToken, standin.TokenInvalid)
	b.file("names.csv", names(10))
	r := b.run("run", "names.csv").exits(exitParked)
	require.Equal(t, 1, strings.Count(r.stdout+r.stderr, "refused the token"), "the cause is said once")
	require.Equal(t, 1, strings.Count(r.stdout+r.stderr, "relabel site resume"), "and so is what to do")
	require.Regexp(t, `is stopped: site default is parked since \d`, r.stdout)
	require.Contains(t, r.errorLine(), "site default is parked, 10 rows of batch 1 left: the API refused the token (401)")
	require.Contains(t, r.stdout, "next: relabel site check, then relabel site resume\n")
	v := b.status("1")
	require.Equal(t, 10., v["pending"])
	require.Contains(t, v["parked_reason"], "401")
	require.Contains(t, b.ok("status").stdout, "active (parked)")
	for _, out := range []string{
		b.ok("status", "1").stdout, b.ok("batch", "pause", "1").stdout, b.ok("batch", "resume", "1").stdout,
		b.ok("site", "list").stdout, b.run("doctor").exits(exitError).stdout, b.run("work", "--until-done").errorLine(),
	} {
		for _, part := range []string{"parked since ", "the API refused the token (401)", "set a working token of this site", "used that token: if it still runs, restart it", "then `relabel site resume`"} {
			require.Equal(t, 1, strings.Count(out, part), "%s: once in\n%s", part, out)
		}
	}
	require.Regexp(t, `(?m)^  cause: the API refused the token \(401\): .*\n  next: set a working token of this site; `, b.ok("status", "1").stdout)

	calls := b.api.Calls()
	b.run("work", "--until-done").fails(exitParked, "site default is parked")
	require.Equal(t, calls, b.api.Calls(), "a parked site is left alone")

	b.api.SetToken(testToken, standin.TokenValid)
	b.ok("site", "resume")
	b.ok("work", "--until-done")
	b.sentOnce(10)
	require.Equal(t, "done", b.status("1")["status"])
	require.Contains(t, b.ok("site", "resume").stderr, "neither parked nor paused")
}

// A worker that still has the old token parks nobody once another one came with the
// new one; it is named until it is restarted.
func TestRotatedToken(t *testing.T) {
	const fresh = testToken + "-fresh"
	b := setup(t, standin.Config{Assets: 10, Tokens: []string{fresh}})
	old := b.start("", "work")
	b.enqueue(names(10))
	host, _ := os.Hostname()
	process := fmt.Sprintf("process %d on %s", old.cmd.Process.Pid, host)
	b.until(`EXISTS (SELECT FROM site WHERE parked_at IS NOT NULL)`)
	require.Contains(t, b.status("1")["parked_reason"], "; "+process+" used that token: if it still runs, restart it after a change")

	worker := b.with("WEBFLOW_TOKEN", fresh).start("", "work") // while it works, the site is not parked
	b.until(`EXISTS (SELECT FROM batch WHERE status = 'done')`)
	b.sentOnce(10)
	require.Nil(t, b.status("1")["parked_reason"])
	require.Contains(t, b.ok("site", "list").stdout, "ready; "+process+" still has a token that was refused: restart it")
	require.Equal(t, process, b.status("1")["refused_in"])
	calls := b.api.Calls()
	b.with("WEBFLOW_TOKEN", fresh).ok("run", b.file("more.csv", strings.ReplaceAll(names(10), "name ", "more ")))
	require.Equal(t, calls+10, b.api.Calls(), "the old one makes no call")
	worker.signal(2)
	worker.wait().exits(exitOK)
}

func TestForbidden(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	b.api.SetToken(testToken, standin.TokenForbidden)
	b.pipe(names(1), "run", "-").exits(exitParked)
	require.Contains(t, b.ok("status", "1").stdout, "403")
}

// Sites that share a token share its lane: together they keep its limit.
func TestSitesShareALane(t *testing.T) {
	b := setup(t, standin.Config{Assets: 40})
	b.ok("site", "set", "--site", "shop", "--rate", "20/1s")
	b.ok("site", "set", "--site", "blog", "--rate", "20/1s")
	b.enqueue(names(20), "--site", "shop")
	b.enqueue("asset_id,display_name\n"+strings.Join(strings.Split(names(40), "\n")[21:], "\n"), "--site", "blog")
	v := b.ok("work", "--until-done", "--site", "shop,blog", "--json").json()
	require.Equal(t, []any{"blog", "shop"}, v["sites"])
	require.Equal(t, 40., v["ended"])
	require.Equal(t, 0., v["left"])
	b.sentOnce(40)
	log := b.api.Log()
	require.GreaterOrEqual(t, log[20].ArrivedAt.Sub(log[0].ArrivedAt).Seconds(), 1., "21 calls within a window for 20")
	for _, site := range b.ok("site", "list", "--json").json()["sites"].([]any) {
		if s := site.(map[string]any); s["name"] != "default" {
			require.Equal(t, 20., s["lane"].(map[string]any)["limit"], "both sites show the one lane")
		}
	}
}

func TestWorkOnSites(t *testing.T) {
	b := setup(t, standin.Config{Assets: 2})
	b.ok("site", "set", "--site", "shop", "--token-env", "SHOP_WEBFLOW_TOKEN")
	b.run("work", "--until-done", "--site", "all").fails(exitError, "site shop", "SHOP_WEBFLOW_TOKEN is not set")
	b.run("work", "--until-done", "--site", "default,nope").fails(exitError, "no such site: nope")
	b.run("work", "--until-done", "--site", "rehearsal").fails(exitUsage, "stand-ins")
	b.run("enqueue", "-", "--site", "a,b").fails(exitError, "no such site: a,b")
	b = b.with("SHOP_WEBFLOW_TOKEN", testToken)
	b.pipe(names(2), "run", "-", "--rehearse").exits(exitOK)
	b.enqueue(names(1), "--site", "shop")
	require.Contains(t, b.ok("work", "--until-done", "--site", "all").stderr, "working on sites default, shop;")
	b.sentOnce(1)
}

// A rehearsal sends nothing to the real API, and its record is nobody's.
func TestRehearse(t *testing.T) {
	b := setup(t, standin.Config{Assets: 30}).with("WEBFLOW_TOKEN", "")
	b.file("names.csv", names(30))
	r := b.ok("run", "names.csv", "--rehearse")
	require.Contains(t, r.stdout, "30 rows: 30 succeeded")
	require.Contains(t, r.stderr, "not to Webflow")
	b.ok("run", "names.csv", "--rehearse")
	b = b.with("WEBFLOW_TOKEN", testToken)
	require.Zero(t, b.api.Calls())
	b.ok("run", "names.csv")
	b.sentOnce(30)
}

// Two rehearsals at once are apart from each other.
func TestRehearseTwice(t *testing.T) {
	b := setup(t, standin.Config{}).with("WEBFLOW_RATE_LIMIT", "20/1s")
	b.file("names.csv", names(60))
	first := b.start("", "run", "names.csv", "--rehearse", "--json")
	first.says("batch 1 is loaded")
	second := b.start("", "run", "names.csv", "--rehearse", "--json")
	one, two := first.wait().exits(exitOK).json(), second.wait().exits(exitOK).json()
	require.Equal(t, "rehearsal", one["site"])
	require.Equal(t, "rehearsal-2", two["site"])
	require.Equal(t, 60., one["succeeded"])
	require.Equal(t, 60., two["succeeded"])
}

// A batch that fails for one cause throughout is paused, and run does not wait
// for somebody to look at it.
func TestRunPausedForFailing(t *testing.T) {
	b := setup(t, standin.Config{}) // no asset is there
	b.file("names.csv", names(400))
	r := b.run("run", "names.csv").exits(exitError)
	require.Regexp(t, "^batch 1 is paused, [0-9]+ rows left: .*; `relabel batch resume 1` resumes it$", r.errorLine())
	require.Contains(t, r.stdout, "next: relabel batch resume 1, then relabel work --until-done")
	b.run("work", "--until-done").fails(exitError, "in batches that were paused for failing")
	b.ok("batch", "resume", "1")
	b.run("work", "--until-done", "--same-failure", "0").fails(exitTrouble, "400 rows did not succeed")
}

// What a person takes back is no failure of the workers.
func TestWorkOnWhatIsCancelled(t *testing.T) {
	for name, cancel := range map[string][]string{
		"batch": {"batch", "cancel", "1"},
		"rows":  {"rows", "cancel", "--batch", "1", "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, standin.Config{Assets: 3}).with("WEBFLOW_RATE_LIMIT", "1/1h")
			b.enqueue(names(3))
			p := b.start("", "work", "--until-done")
			b.until(`EXISTS (SELECT FROM batch WHERE succeeded = 1)`)
			b.ok(cancel...)
			require.Contains(t, p.wait().exits(exitOK).stderr, "stopped; 0 rows are left to send\n")
			require.Equal(t, 2., b.status("1")["cancelled"])
		})
	}
}

// Nothing is done while a call is in flight, in whatever process: its row's
// outcome counts.
func TestWorkWaitsForCallsInFlight(t *testing.T) {
	for _, change := range []string{"pause", "cancel"} {
		t.Run(change, func(t *testing.T) {
			b := setup(t, standin.Config{Assets: 1}) // the second one is not there
			b.api.FailNext(standin.Delay(4 * slow))
			id := b.enqueue("asset_id,display_name\n" + standin.AssetID(9) + ",x\n" + standin.AssetID(0) + ",y\n")
			other := b.start("", "work", "--concurrency", "1")
			b.calls(1)
			b.ok("batch", change, id)
			require.Equal(t, 1., b.status(id)["sending"])
			b.run("work", "--until-done")
			v := b.status(id)
			require.Equal(t, 0., v["sending"])
			require.Equal(t, 1., v["failed"])
			other.signal(syscall.SIGTERM)
			other.wait().exits(exitOK)
		})
	}
}

// A worker of all sites says at once which of them it can't work, before it shows how far it is.
func TestWorkSaysWhatItCannotWork(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3}).with("WEBFLOW_RATE_LIMIT", "none")
	b.ok("site", "set", "--site", "shop", "--token-env", "SHOP_WEBFLOW_TOKEN")
	b.enqueue(names(3))
	p := b.start("", "work", "--site", "all")
	p.says(" rows done")
	p.signal(syscall.SIGINT)
	shown, _, _ := strings.Cut(p.wait().exits(exitOK).stderr, " rows done")
	require.Contains(t, shown, "SHOP_WEBFLOW_TOKEN is not set")
}
