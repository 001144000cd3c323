//go:build unix

package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// sitesWithin is how soon a worker notices a change of its sites or of their tokens.
const sitesWithin = time.Minute

// changingSites is a worker of all sites, while sites come, change and go.
type changingSites struct {
	*stage

	tokens string // the folder of the tokens' files
	worker *process
}

func newChangingSites(t *testing.T) *changingSites {
	t.Helper()
	s := &changingSites{stage: newStage(t, sharedLimit, sharedWindow), tokens: t.TempDir()}
	s.worker = s.spawn("worker", []string{"RELABEL_TOKEN_DIRS=" + s.tokens}, "work", "--site", "all")
	s.waitRegistered(s.worker)
	return s
}

// setToken writes a site's token, as a person or a secrets manager does: at once.
func (s *changingSites) setToken(name, token string) (file string) {
	s.Helper()
	s.api.SetToken(token, standin.TokenValid)
	file = filepath.Join(s.tokens, name)
	require.NoError(s, os.WriteFile(file+".new", []byte(token), 0o600))
	require.NoError(s, os.Rename(file+".new", file))
	return file
}

func (s *changingSites) set(args ...string) {
	s.Helper()
	p := s.spawn("site set", []string{"RELABEL_TOKEN_DIRS=" + s.tokens}, append([]string{"site", "set"}, args...)...)
	require.NoError(s, p.wait(), p.output())
}

// load loads rows for a site with a command.
func (s *changingSites) load(name string, first, rows int) {
	s.Helper()
	all := renames(first+rows, name)[first:]
	p := s.spawn("enqueue", nil, "enqueue", s.csv(all), "--site", name)
	require.NoError(s, p.wait(), p.output())
}

// workedSites returns the names of the sites that living workers work.
func (s *changingSites) workedSites() (names []string) {
	s.Helper()
	rows, err := s.db.Pool().Query(s.Context(), `SELECT s.name FROM process p JOIN site s ON s.id = ANY (p.sites) ORDER BY 1`)
	require.NoError(s, err)
	names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(s, err)
	return names
}

func (s *changingSites) waitWorked(names ...string) {
	s.Helper()
	s.eventually(sitesWithin, fmt.Sprint("the worker works ", names), func() bool { return slices.Equal(s.workedSites(), names) })
}

func (s *changingSites) waitEnded() {
	s.Helper()
	s.eventually(recovery, "every row has ended", func() bool { return s.open() == 0 })
}

// A running worker begins to work a site that is added, and leaves one that is removed.
func TestSitesComeAndGo(t *testing.T) {
	t.Parallel()
	s := newChangingSites(t)
	s.waitWorked("default")
	s.set("--site", "shop", "--token-file", s.setToken("shop", "shop-token-0123456789"))
	s.waitWorked("default", "shop")
	s.load("shop", 0, 2*sharedLimit)
	s.waitEnded()
	s.checkSucceeded(2 * sharedLimit)

	s.set("--site", "blog", "--token-file", s.setToken("blog", "blog-token-0123456789"))
	s.waitWorked("blog", "default", "shop")
	s.exec(`DELETE FROM site WHERE name = 'blog'`)
	s.waitWorked("default", "shop")
	s.set("--site", "blog", "--token-file", s.setToken("blog", "blog-token-0123456789"))
	s.waitWorked("blog", "default", "shop")
	s.load("blog", 2*sharedLimit, 10)
	s.waitEnded()
	s.checkAll()
	s.worker.signal(syscall.SIGTERM)
	require.NoError(t, s.worker.wait(), s.worker.output())
}

// A site whose variable the running worker does not have is named in the log, and worked as
// soon as its token can be read. Other sites go on.
func TestSiteWithoutToken(t *testing.T) {
	t.Parallel()
	s := newChangingSites(t)
	s.set("--site", "shop", "--token-env", "SHOP_WEBFLOW_TOKEN")
	s.eventually(sitesWithin, "the log names the variable", func() bool {
		return strings.Contains(s.worker.err.String(), "the variable SHOP_WEBFLOW_TOKEN is not set")
	})
	require.Equal(t, []string{"default"}, s.workedSites())
	s.set("--site", "shop", "--token-env", "", "--token-file", filepath.Join(s.tokens, "shop"))
	s.setToken("shop", "shop-token-0123456789")
	s.waitWorked("default", "shop")
	require.Equal(t, 1, strings.Count(s.worker.err.String(), "the variable SHOP_WEBFLOW_TOKEN is not set"), s.worker.output())

	s.set("--site", "blog", "--token-env", "BLOG_WEBFLOW_TOKEN")
	another := s.spawn("another worker", []string{"RELABEL_TOKEN_DIRS=" + s.tokens}, "work", "--site", "all")
	s.waitRegistered(another)
	s.eventually(sitesWithin, "its log names the variable", func() bool {
		return strings.Contains(another.err.String(), "the variable BLOG_WEBFLOW_TOKEN is not set")
	})
	require.Equal(t, []string{"default", "default", "shop", "shop"}, s.workedSites())
}

// A file gets another token while the site sends: the worker takes it, no call is lost, and
// neither token's limit is broken. A token that was refused meanwhile ends the parking.
func TestTokenFileChanges(t *testing.T) {
	t.Parallel()
	s := newChangingSites(t)
	s.set("--site", "shop", "--token-file", s.setToken("shop", "shop-token-0000000000"))
	s.waitWorked("default", "shop")
	const rows = 20 * sharedLimit // more than are sent before the token's file is read again
	s.load("shop", 0, rows)
	s.waitCalls(sharedLimit)
	s.setToken("shop", "shop-token-1111111111")
	lanes := func() int { return ask[int](s.stage, `SELECT count(DISTINCT lane) FROM lane_grant`) }
	s.eventually(sitesWithin, "calls with the new token", func() bool { return lanes() == 2 })

	s.api.SetToken("shop-token-1111111111", standin.TokenInvalid)
	s.eventually(sitesWithin, "the site is parked", func() bool {
		return ask[bool](s.stage, `SELECT parked_at IS NOT NULL FROM site WHERE name = 'shop'`)
	})
	s.setToken("shop", "shop-token-2222222222")
	s.waitEnded()
	s.checkConserved()
	s.checkHonest()
	s.checkOrder()
	s.checkAlone(0)
	s.checkSucceeded(rows)
	require.LessOrEqual(t, s.api.MaxInWindow(s.window), s.limit)
	require.Zero(t, ask[int](s.stage, `SELECT sum(failures)::int FROM rename`))
}

// A site's limit is changed again and again while it sends.
func TestSiteSettingsChange(t *testing.T) {
	t.Parallel()
	s := newChangingSites(t)
	s.set("--site", "shop", "--token-file", s.setToken("shop", "shop-token-0123456789"), "--rate", "50/2s")
	s.waitWorked("default", "shop")
	const rows = 8 * sharedLimit
	s.load("shop", 0, rows)
	for i := 1; s.open() > 0; i++ {
		s.set("--site", "shop", "--rate", fmt.Sprintf("%d/2s", 40+i%2*10))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_ = s.api.WaitCalls(ctx, s.api.Calls()+sharedLimit) // or the rows have ended
		cancel()
	}
	s.checkAll()
	s.checkSucceeded(rows)
}

// A site that the worker has begun with changes while it sends, and is worked as it is set
// now.
func TestFirstSiteChanges(t *testing.T) {
	t.Parallel()
	s := newChangingSites(t)
	s.waitWorked("default")
	s.load("default", 0, 6*sharedLimit)
	s.set("--site", "default", "--rate", fmt.Sprintf("%d/2s", sharedLimit))
	s.eventually(sitesWithin, "the worker has the new settings", func() bool {
		return strings.Contains(s.worker.err.String(), "working on site default with its new settings")
	})
	s.waitEnded()
	s.checkAll()
	s.checkSucceeded(6 * sharedLimit)
}
