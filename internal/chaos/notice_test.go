//go:build unix

package chaos

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
)

// notices is a server that counts the notices it gets.
type notices struct {
	*httptest.Server

	mu  sync.Mutex
	ids map[string]map[int64]int // how often each id arrived, by "EVENT PATH"
}

func newNotices(t *testing.T) *notices {
	t.Helper()
	n := &notices{ids: map[string]map[int64]int{}}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *notices) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Event string
		ID    int64
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := m.Event + " " + r.URL.Path
	if n.ids[key] == nil {
		n.ids[key] = map[int64]int{}
	}
	n.ids[key][m.ID]++
}

// distinct returns how many ids have arrived of each kind.
func (n *notices) distinct() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := map[string]int{}
	for key, ids := range n.ids {
		counts[key] = len(ids)
	}
	return counts
}

const noticeTimes = "RELABEL_TIMES=heartbeat=1s,stale=7s,feed=1s,lease-margin=2s,notices=200ms,notice-retry=3s,watch=200ms,stalled=2s"

// noticeEnv makes processes look often.
func noticeEnv(env ...string) []string {
	return append([]string{"RELABEL_NOTIFY_ALLOW_PRIVATE=1", noticeTimes}, env...)
}

// noticeChange is a change, the notices that it makes, and the places on its way.
type noticeChange struct {
	cause  func(s *stage, hook string)
	events []string
	places []string
}

func noticeChanges() map[string]noticeChange {
	load := func(s *stage, hook string) { s.enqueueFor(hook, renames(1, "new")) }
	return map[string]noticeChange{
		"done": {load, []string{"done /batch", "done /site"}, []string{"in-finish", "finished", "notice-taken", "notice-sent"}},
		"trouble": {func(s *stage, hook string) {
			s.api.FailAsset(standin.AssetID(0), standin.Status(http.StatusNotFound))
			load(s, hook)
		}, []string{"trouble /batch", "trouble /site"}, []string{"notice-sent"}},
		"paused": {func(s *stage, hook string) { // more than half of 200 rows fail for one cause
			s.api.SetChances(standin.Chance{P: 1, Fault: standin.Status(http.StatusNotFound)})
			s.enqueueFor(hook, renames(500, "new"))
		}, []string{"paused /batch", "paused /site"}, []string{"notice-taken"}},
		"parked": {func(s *stage, hook string) {
			s.api.SetToken(token, standin.TokenInvalid)
			load(s, hook)
		}, []string{"parked /batch", "parked /site"}, []string{"parking", "notice-taken"}},
		"breaker": {
			func(s *stage, hook string) {
				s.api.FailNext(standin.Repeat(3, standin.Status(http.StatusServiceUnavailable))...)
				load(s, hook)
			},
			[]string{"breaker_open /batch", "breaker_open /site", "breaker_closed /batch", "breaker_closed /site", "done /batch", "done /site"},
			[]string{"notice-taken:2", "notice-sent:3"},
		},
	}
}

// enqueueFor loads rows with an address of their own.
func (s *stage) enqueueFor(hook string, rows []rename) {
	s.Helper()
	p := s.spawn("enqueue", noticeEnv(), "enqueue", s.csv(rows), "--notify", hook+"/batch")
	require.NoError(s, p.wait(), p.output())
}

// notify gives the site an address.
func (s *stage) notify(hook string) {
	s.Helper()
	p := s.spawn("site set", noticeEnv(), "site", "set", "--notify", hook+"/site")
	require.NoError(s, p.wait(), p.output())
}

// The only worker causes a change, and is killed when it has taken the notices, or when it
// has sent one. Others send the notices; each change has one id for each address.
func TestKilledNotice(t *testing.T) {
	t.Parallel()
	for name, change := range noticeChanges() {
		for _, place := range change.places {
			t.Run(name+" "+place, func(t *testing.T) {
				t.Parallel()
				newStage(t, 0, 0).killNotice(change, place)
			})
		}
	}
}

func (s *stage) killNotice(change noticeChange, place string) {
	hook := newNotices(s.T)
	s.notify(hook.URL)
	victim := s.spawn("victim", noticeEnv(failpoint(place)), "work", "--breaker", "3")
	s.waitRegistered(victim)
	change.cause(s, hook.URL)
	s.waitKilled(victim)
	for _, name := range []string{"second", "third"} {
		s.spawn(name, noticeEnv(), "work", "--breaker", "3")
	}
	s.spawn("dashboard", noticeEnv(), "serve", "--listen", "127.0.0.1:0")
	s.checkNotices(hook, change.events)
}

// checkNotices waits until the notices have arrived and the queue is empty.
func (s *stage) checkNotices(hook *notices, events []string) {
	s.Helper()
	want := map[string]int{}
	for _, e := range events {
		want[e] = 1
	}
	s.eventually(recovery, "the notices arrive", func() bool {
		got := hook.distinct()
		for e := range want {
			if got[e] == 0 {
				return false
			}
		}
		return ask[int](s, `SELECT count(*) FROM notice WHERE next_try_at IS NOT NULL`) == 0
	})
	require.Equal(s, want, hook.distinct(), "one id for each change and address")
	require.Equal(s, len(events), ask[int](s, `SELECT count(*) FROM notice WHERE sent_at IS NOT NULL`))
}

// The rows of a site wait, and no process works it. A dashboard and the workers of another
// site notice that; one of them is killed when it has. A worker of the site ends it.
func TestStalledSite(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0, 0)
	hook := newNotices(t)
	s.notify(hook.URL)
	name, env := "other", "OTHER_WEBFLOW_TOKEN"
	require.NoError(t, s.db.SaveSite(t.Context(), db.Site{Name: name, TokenEnv: &env}))
	s.enqueueFor(hook.URL, renames(3, "new"))
	other := noticeEnv(env + "=" + token)
	victim := s.spawn("victim", append(other, failpoint("notice-sent")), "work", "--site", name)
	s.waitRegistered(victim)
	s.waitRegistered(s.spawn("of another site", other, "work", "--site", name))
	s.spawn("dashboard", other, "serve", "--listen", "127.0.0.1:0")
	s.checkNotices(hook, []string{"stalled /batch", "stalled /site"})

	s.api.SetLatency(2*time.Second, 0) // the batch is still open when the site works again
	worker := s.spawn("worker", other, "work")
	s.checkNotices(hook, []string{"stalled /batch", "stalled /site", "working /batch", "working /site", "done /batch", "done /site"})
	worker.signal(syscall.SIGTERM)
	require.NoError(t, worker.wait(), worker.output())
}

// `run` delivers the notice of its batch before it ends: perhaps no other process runs.
func TestNoticeOfRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0, 0)
	hook := newNotices(t)
	u, err := url.Parse(hook.URL)
	require.NoError(t, err)
	p := s.spawn("run", []string{"RELABEL_NOTIFY_ALLOW_PRIVATE=1", "RELABEL_NOTIFY_HEADERS=" + u.Host + " Authorization: Bearer x"},
		"run", s.csv(renames(2, "new")), "--notify", hook.URL+"/a", "--notify", hook.URL+"/b")
	require.NoError(t, p.wait(), p.output())
	require.Equal(t, map[string]int{"done /a": 1, "done /b": 1}, hook.distinct())
}
