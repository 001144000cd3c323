package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// wanted is a CSV that gives some assets a name that tells the version.
func wanted(version string, from, to int) string {
	text := "asset_id,display_name\n"
	for i := from; i < to; i++ {
		text += fmt.Sprintf("%s,%s %d.jpg\n", standin.AssetID(i), version, i)
	}
	return text
}

// An undo under faults puts every asset back, with each row at its end.
func TestUndoUnderFaults(t *testing.T) {
	const assets = 150
	b := setupSite(t, standin.Config{Assets: assets}).with("RELABEL_CALL_TIMEOUT", "5s") // a call of unknown outcome keeps the next waiting
	faults := []standin.Fault{
		standin.Status(500), standin.ResetInBody(), standin.ResetBeforeHeaders(), standin.Gateway(502, "").AfterApply(),
	}
	trouble := func() {
		b.api.FailNext(standin.Status(500)) // of the site's pages
		for i := range assets / 10 {        // few, so that the breaker stays closed
			b.api.FailAsset(standin.AssetID(10*i), faults[i%4], faults[i/4])
		}
		b.api.FailAsset(standin.AssetID(1), standin.RateLimited("1"))
	}
	b.file("names.csv", wanted("new", 0, assets))
	trouble()
	b.ok("run", "names.csv", "--plan", "--yes")
	require.Equal(t, "new 7.jpg", b.api.Name(standin.AssetID(7), ""))
	trouble()
	b.ok("undo", "1", "--apply", "--yes")
	b.ok("work", "--until-done")
	v := b.status("2")
	require.Equal(t, []any{float64(assets), "done"}, []any{v["succeeded"], v["status"]})
	for i := range assets {
		require.Equal(t, fmt.Sprintf("asset-%06d.jpg", i+1), b.api.Name(standin.AssetID(i), ""))
	}
	require.Equal(t, float64(assets), b.ok("verify", "2", "--json").json()["asked"])
	require.Equal(t, float64(assets), b.run("verify", "1", "--json").exits(exitOK).json()["renamed"])
}

// A file takes a batch's place while it is being sent: each asset ends with what the new file wants, nothing goes back
// to an older name, and what was to be removed is not sent any more.
func TestReplaceAtWork(t *testing.T) {
	const assets = 300
	b := setupSite(t, standin.Config{Assets: assets, Latency: 100 * time.Millisecond}).with("WEBFLOW_RATE_LIMIT", "20/1s")
	worker := b.start("", "work")
	b.enqueue(wanted("first", 0, 200))
	b.calls(40)
	b.file("new.csv", wanted("second", 100, assets))
	require.Equal(t, "2\n", b.ok("enqueue", "new.csv", "--replace", "1", "--yes").stdout)
	replacedAt := b.api.Calls()
	b.ok("status", "2", "--watch")
	require.Equal(t, "cancelled", b.status("1")["status"])
	v := b.status("2")
	require.Equal(t, []any{200., "done"}, []any{v["succeeded"], v["status"]})
	seen := map[string]string{}
	late := 0
	for i, c := range b.api.Log() {
		if c.DisplayName == nil {
			continue
		}
		version, _, _ := strings.Cut(*c.DisplayName, " ")
		require.False(t, version == "first" && seen[c.AssetID] == "second", "an older name after a newer one")
		seen[c.AssetID] = version
		if version == "first" && i >= replacedAt {
			late++
		}
	}
	require.LessOrEqual(t, late, 16, "calls of the old batch after its end: those that were in flight")
	for i := 100; i < assets; i++ {
		require.Equal(t, fmt.Sprintf("second %d.jpg", i), b.api.Name(standin.AssetID(i), ""))
	}
	require.Less(t, len(seen), assets, "not all of the old batch was sent")
	worker.signal(2)
	worker.wait().exits(exitOK)
}

// Cancelling the newer of two loads says what it leaves unsent, and how that is sent after all.
func TestCancelSaysWhatItStrands(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	older := b.enqueue(names(3), "--name", "older")
	newer := b.enqueue(names(3), "--name", "newer", "--force")
	r := b.ok("batch", "cancel", newer)
	require.Contains(t, r.stderr, "3 rows of batch "+older+" had a newer name in the cancelled one")
	require.Contains(t, r.stderr, "`relabel batch retry "+older+" --status superseded` sends them")
	require.Contains(t, b.ok("batch", "retry", older).stdout, "0 rows will be sent again")
	require.Contains(t, b.ok("batch", "retry", older, "--status", "superseded").stdout, "3 rows will be sent again")
	b.ok("work", "--until-done")
	require.EqualValues(t, 3, b.status(older)["succeeded"])
}
