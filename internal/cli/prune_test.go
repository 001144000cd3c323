package cli

import (
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/standin"
)

// Pruned rows are gone, and what they were needed for works as before.
func TestPrune(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 10}).with("WEBFLOW_RATE_LIMIT", "none")
	csv := names(4)
	first := b.enqueue(csv)
	b.ok("work", "--until-done")
	b.ok("batch", "delete", first, "--dry-run")
	second := b.enqueue(csv, "--force", "--snapshot")
	b.run("batch", "delete", second, "--yes").fails(exitError, "batch 2 is active and can't be deleted: `relabel batch cancel 2` ends it")
	b.ok("work", "--until-done")
	for _, set := range []string{"rename SET finished_at", "batch SET finished_at", "attempt SET sent_at"} {
		dbtest.Exec(t, b.db(), "UPDATE "+set+" = now() - interval '100 days'")
	}
	verified := b.ok("verify", second, "--json").json()
	b.run("prune").fails(exitUsage, "--older-than takes an age such as 90d or 12h")
	b.run("prune", "--older-than", "90d").fails(exitUsage, "--yes")
	counted := b.ok("prune", "--older-than", "90d", "--dry-run", "--json").json()
	require.Equal(t, 4.0+8+1, counted["rows"], "the rows of the first batch, all calls, the first batch")

	done := b.ok("prune", "--older-than", "90d", "--yes", "--archive", filepath.Join(b.dir, "old"), "--json").json()
	require.Equal(t, counted["tables"], done["tables"])
	require.Len(t, done["archive"], 3)
	b.run("status", first).fails(exitError, "no such batch: 1")
	require.Equal(t, 4.0, b.status(second)["succeeded"])
	require.Empty(t, b.ok("prune", "--older-than", "90d", "--dry-run", "--json").json()["archive"])

	require.Equal(t, verified["asked"], b.ok("verify", second, "--json").json()["asked"])
	require.Equal(t, 4.0, b.ok("undo", second, "--json").json()["rows"], "the values before are still there")

	calls := len(b.api.Log())
	third := b.enqueue(csv)
	require.Equal(t, 4.0, b.status(third)["unchanged"], "the newest rows are still known")
	require.Len(t, b.api.Log(), calls)
	stays := b.ok("batch", "delete", third, "--yes")
	require.Contains(t, stays.stdout, "rename")
	require.Contains(t, stays.stderr, "batch 4 stays with 4 rows: the newest of an asset")
	b.enqueue(csv)
	require.NotContains(t, b.ok("batch", "delete", third, "--yes").stderr, "stays", "the batch after it has the newest rows")

	entries, err := records.AuditEntries(t.Context(), b.db(), "", 0, 10)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		if e.Action == "prune" || e.Action == "delete" {
			got = append(got, e.Action+" "+e.Subject+" "+e.Detail)
		}
	}
	require.Equal(t, []string{"delete batch 4 ", "delete batch 4 ", "prune all sites older than 90d"}, got)
}

func TestKeep(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2}).with("WEBFLOW_RATE_LIMIT", "none")
	b.run("site", "set", "--keep", "12h").fails(exitUsage, `--keep is a number of days such as 400d`)
	require.Equal(t, "90d", b.ok("site", "set", "--keep", "90d", "--json").json()["keep"])
	b.enqueue(names(2))
	b.ok("work", "--until-done")
	for _, set := range []string{"rename SET finished_at", "batch SET finished_at", "attempt SET sent_at"} {
		dbtest.Exec(t, b.db(), "UPDATE "+set+" = now() - interval '100 days'")
	}
	dbtest.Exec(t, b.db(), "UPDATE site SET pruned_at = NULL")
	b.file("plain", "")
	b.run("work", "--archive", "plain/old").fails(exitError, "creating the archive's folder")
	p := b.start("", "work", "--verbose", "--archive", "old")
	p.says("deleted what the site need not keep")
	require.Eventually(t, func() bool {
		return slices.Equal([]string{"worker older than 90d: 2 of attempt"}, dbtest.List[string](t, b.db(), `SELECT via || ' ' || detail FROM audit WHERE action = 'prune'`))
	}, patience, 50*time.Millisecond)
	p.signal(syscall.SIGINT)
	p.wait().exits(exitOK)
	files, err := filepath.Glob(filepath.Join(b.dir, "old", "*-attempt.csv.gz"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Empty(t, dbtest.List[int64](t, b.db(), "SELECT rename_id FROM attempt"))
	require.Len(t, dbtest.List[int64](t, b.db(), "SELECT id FROM rename"), 2)
	require.Nil(t, b.ok("site", "set", "--keep", "", "--json").json()["keep"])
}
