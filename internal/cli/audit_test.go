package cli

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/standin"
)

// Every command that changes something leaves a row: who, when, what, how many;
// those that look leave none.
func TestAudit(t *testing.T) {
	b := setup(t, standin.Config{Assets: 10})
	b.file("names.csv", names(6))
	id := b.enqueue(names(3), "--name", "first")
	b.ok("batch", "pause", id)
	b.ok("batch", "resume", id)
	b.ok("work", "--until-done")
	b.run("batch", "pause", id).fails(exitError, "can't be paused")
	b.ok("batch", "retry", id, "--error", "timed out", "--database-url", b.env["DATABASE_URL"])
	b.ok("plan", "names.csv")
	b.ok("apply", "2")
	b.ok("rows", "cancel", "--batch", "2", "--name", "name 3", "--yes")
	b.ok("batch", "cancel", "2")
	b.ok("plan", "names.csv", "--name", "again", "--force")
	b.ok("batch", "cancel", "3")
	b.ok("site", "set", "--site", "shop", "--token-env", "SHOP_WEBFLOW_TOKEN")
	b.ok("site", "pause", "--site", "shop")
	b.ok("site", "resume", "--site", "shop")
	b.ok("schedule", "add", "nightly", "names.csv", "--cron", "@daily")
	b.ok("schedule", "edit", "nightly", "--cron", "@weekly")
	b.ok("schedule", "pause", "nightly")
	b.ok("schedule", "resume", "nightly")
	b.ok("schedule", "run", "nightly")
	b.ok("schedule", "remove", "nightly")
	for _, look := range [][]string{{"status"}, {"results", id}, {"rows", "list"}, {"why", standin.AssetID(0)}, {"schedule", "list"}, {"site", "list"}} {
		b.ok(look...)
	}

	deeds, err := records.AuditEntries(t.Context(), dbtest.Open(t, b.env["DATABASE_URL"]), "", 0, 100)
	require.NoError(t, err)
	var got []string
	for _, d := range slices.Backward(deeds) {
		require.Equal(t, "command line", d.Via)
		require.Regexp(t, `^\S+@\S+$`, d.Who)
		rows := "-"
		if d.Rows != nil {
			rows = fmt.Sprint(*d.Rows)
		}
		got = append(got, fmt.Sprintf("%s %s, %s: %s rows, %s", d.Action, d.Subject, d.Detail, rows, *d.Result))
	}
	require.Equal(t, []string{
		"load batch 1, first: 3 rows, done",
		"pause batch 1, : 3 rows, done",
		"resume batch 1, : 3 rows, done",
		"pause batch 1, : 0 rows, batch 1 is done and can't be paused",
		"retry batch 1, --error timed out: 0 rows, done",
		"plan batch 2, names.csv: 6 rows, done",
		"apply batch 2, : 3 rows, done",
		"cancel batch 2, --batch 2 --name name 3: 1 rows, done",
		"cancel batch 2, : 2 rows, done",
	}, got[:9])
	require.Equal(t, []string{
		"discard batch 3, : 6 rows, done",
		"set site shop, : - rows, done",
		"pause site shop, : - rows, done",
		"resume site shop, : - rows, done",
		"add schedule nightly, : - rows, done",
		"edit schedule nightly, : - rows, done",
		"pause schedule nightly, : - rows, done",
		"resume schedule nightly, : - rows, done",
		"run schedule nightly, : - rows, done",
		"remove schedule nightly, : - rows, done",
	}, got[len(got)-10:])
}
