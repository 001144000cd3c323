package cli

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

func TestSiteRemove(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 3}).with("WEBFLOW_RATE_LIMIT", "none")
	b.ok("site", "set", "--site", "shop")
	require.Contains(t, b.offers("site", "remove", ""), "shop\tready")
	b.run("site", "remove", "default", "--yes").fails(exitError,
		"the site default can't be removed, as commands use it without --site: `relabel prune` deletes what has ended")
	b.run("site", "remove", "blog", "--yes").fails(exitError, "no such site: blog; `relabel site list` shows those that exist")
	b.run("site", "remove", "shop").fails(exitUsage, "--yes")

	p := b.start("", "work", "--site", "all", "--metrics", "0")
	_, scrape := p.scrapes()
	batch := b.enqueue(names(3), "--site", "shop")
	b.until(`EXISTS (SELECT FROM batch WHERE succeeded = 3)`)
	b.file("n.csv", names(1))
	b.ok("schedule", "add", "nightly", "n.csv", "--cron", "@daily", "--site", "shop")
	b.run("site", "remove", "shop", "--yes").fails(exitError,
		"site shop can't be removed: these schedules use it: nightly. First: `relabel schedule remove nightly`")
	b.ok("schedule", "remove", "nightly")

	require.Contains(t, scrape(), `site="shop"`)
	v := b.ok("site", "remove", "shop", "--yes", "--json").json()
	require.Equal(t, "shop", v["removed"])
	require.Subset(t, v["tables"], []any{map[string]any{"table": "rename", "rows": 3.0}, map[string]any{"table": "attempt", "rows": 3.0}})
	p.says("site shop is removed; this process has left it")
	require.Eventually(t, func() bool { return !strings.Contains(scrape(), `site="shop"`) }, patience, 200*time.Millisecond)
	b.run("status", batch).fails(exitError, "no such batch")
	require.NotContains(t, b.ok("site", "list").stdout, "shop")
	require.Equal(t, []string{"shop"}, dbtest.List[string](t, b.db(), `SELECT DISTINCT substr(subject, 6) FROM audit WHERE subject LIKE 'site %' AND action = 'remove' AND result = 'done'`))
	p.signal(syscall.SIGINT)
	p.wait().exits(exitOK)
	require.NotContains(t, p.stderr.String(), "WARN")
}
