package notice

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

// A notice is posted, signed, again and again until it is accepted.
func TestPost(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	b.cfg.Notify.Secret = "key"
	b.cfg.Notify.Headers = map[string]http.Header{r.host(t): {"Authorization": {"Bearer geheim"}}, "other.example.com": {"X-Other": {"x"}}}
	l := b.load([]string{r.URL + "/hook/secret"}, "a")
	dbtest.Settle(t, b.DB, l.IDs[0], db.RowFailed)
	r.answer(http.StatusServiceUnavailable)
	b.deliver()
	require.Equal(t, row{Tries: 1, Open: true, Error: "the answer was 503 Service Unavailable"}, b.only())
	b.deliver()
	require.Equal(t, 1, r.got(), "not before its time")
	b.due()
	r.answer(http.StatusFound)
	b.deliver()
	require.Equal(t, 2, r.got(), "a redirect is not followed")
	b.due()
	r.answer(http.StatusNoContent)
	b.deliver()
	b.due()
	b.deliver()
	require.Equal(t, 3, r.got(), "it was accepted")
	require.Equal(t, row{Tries: 3, Sent: true}, b.only())

	var m message
	require.NoError(t, json.Unmarshal(r.bodies[2], &m))
	require.Equal(t, "trouble", m.Event)
	require.Equal(t, fmt.Sprintf("relabel: batch %d, batch (site default) ended, but not every row succeeded: 1 of 1 rows did not succeed", l.Batch), m.Text)
	require.Equal(t, l.Batch, m.Batch.Batch)
	require.Equal(t, int64(1), m.Batch.Failed)
	require.Equal(t, r.bodies[0], r.bodies[2], "each try is the same message")
	require.Equal(t, "Bearer geheim", r.heads[2].Get("Authorization"))
	require.Empty(t, r.heads[2].Get("X-Other"), "the header is for another host")
	stamp := r.heads[2].Get("X-Relabel-Timestamp")
	mac := hmac.New(sha256.New, []byte("key"))
	fmt.Fprintf(mac, "%s.%s", stamp, r.bodies[2])
	require.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), r.heads[2].Get("X-Relabel-Signature"))
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	r.answer(http.StatusInternalServerError)
	b.make(r.URL + "/secret")
	for try, delay := range delays() {
		b.deliver()
		wait := dbtest.Value[time.Duration](t, b, `SELECT next_try_at - clock_timestamp() FROM notice`)
		require.InDelta(t, delay, wait, float64(time.Minute), "after try %d", try+1)
		b.due()
	}
	for range 3 {
		b.deliver()
		b.due()
	}
	require.Equal(t, len(delays())+1, r.got())
	require.Empty(t, r.heads[0].Get("X-Relabel-Signature"), "there is no secret")
	require.Equal(t, row{Tries: len(delays()) + 1, Error: "the answer was 500 Internal Server Error"}, b.only())
}

// A private address is refused when it is used, whatever was allowed when it was stored.
func TestPrivateAddress(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	for address, says := range map[string]string{
		r.URL + "/secret": "the URL must begin with https://, not http://",
		strings.Replace(r.URL, "http://", "https://", 1) + "/secret": "the address is in a private network; to allow that, set RELABEL_NOTIFY_ALLOW_PRIVATE=1",
		"smtp://[::ffff:127.0.0.1]:25?to=ops@example.com":            "the address is in a private network; to allow that, set RELABEL_NOTIFY_ALLOW_PRIVATE=1",
		"smtp://127.0.0.1:25?to=ops@example.com":                     "the address is in a private network; to allow that, set RELABEL_NOTIFY_ALLOW_PRIVATE=1",
	} {
		b.cfg.Notify.AllowPrivate = false
		b.make(address)
		b.deliver()
		got := b.only()
		require.Contains(t, got.Error, says)
		require.NotContains(t, got.Error, "secret")
		require.True(t, got.Open, "it may be allowed later")
		b.exec(`DELETE FROM notice`)
	}
	require.Zero(t, r.got())
}

// An address that was removed gets no further try.
func TestRemovedAddress(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	b.make(r.URL)
	b.notify("https://new.example.com/")
	b.deliver()
	require.Equal(t, row{Tries: 1, Error: "the address was removed"}, b.only())
	require.Zero(t, r.got())
}

// The processes that work the site have the first right. Others take what is left.
func TestOthers(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	b.make(r.URL)
	b.cfg.Sites = nil
	b.deliver()
	require.Zero(t, r.got())
	b.exec(`UPDATE notice SET next_try_at = clock_timestamp() - $1::interval`, othersAfter)
	b.deliver()
	require.Equal(t, 1, r.got())
}

// Many processes deliver many notices: each arrives once.
func TestDeliverTogether(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	const all = 60
	for range all {
		b.make(r.URL)
	}
	tries := pool.New().WithErrors()
	for range 4 {
		cfg := b.cfg
		cfg.DB = dbtest.Open(t, b.url)
		tries.Go(func() error {
			for range all/atOnce + 1 {
				if err := Deliver(t.Context(), cfg); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, tries.Wait())
	seen := map[int64]bool{}
	for _, id := range r.ids(t) {
		require.False(t, seen[id], "notice %d arrived twice", id)
		seen[id] = true
	}
	require.Len(t, seen, all)
}

// A slow address does not hold up the others.
func TestSlowAddress(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	release := make(chan struct{})
	slow := newReceiver(t)
	slow.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	b.notify(slow.URL, r.URL)
	b.exec(`INSERT INTO notice (site_id, event, detail, url) SELECT $1, 'parked', '', unnest($2::text[])`, b.site.ID, []string{slow.URL, r.URL})
	done := make(chan error, 1)
	go func() { done <- Deliver(context.WithoutCancel(t.Context()), b.cfg) }()
	require.Eventually(t, func() bool { return r.got() == 1 }, tryTimeout/2, 10*time.Millisecond)
	close(release)
	require.NoError(t, <-done)
}

// A queue that is locked, such as by a stopped process, ends a look with an error. The next
// one finds the notice.
func TestLockedQueue(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	b.make(r.URL)
	tx := dbtest.Begin(t, b)
	_, err := tx.Exec(t.Context(), `LOCK TABLE notice IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*dbTimeout)
	defer cancel()
	require.Error(t, Deliver(ctx, b.cfg))
	require.NoError(t, ctx.Err(), "it gave up by itself")
	require.NoError(t, tx.Rollback(t.Context()))
	b.deliver()
	require.Equal(t, 1, r.got())
}

// A sender delivers by itself, and once more when it stops.
func TestSender(t *testing.T) {
	t.Parallel()
	b, r := setup(t), newReceiver(t)
	s := Start(t.Context(), b.cfg)
	b.make(r.URL)
	s.Stop()
	require.Equal(t, 1, r.got())
}

func TestMessageIsNoMarkup(t *testing.T) {
	t.Parallel()
	m := messageOf(notice{Schedule: "nightly", Site: "shop", Event: "failed", Detail: "<!channel> a & b"})
	require.Equal(t, "relabel: nightly (site shop) failed: &lt;!channel&gt; a &amp; b", m.Text)
	require.Equal(t, "<!channel> a & b", m.Detail)
}

// Each event that a notice can have has its words.
func TestEveryEventHasWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	check := dbtest.Value[string](t, b, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'notice_event_check'`)
	events := strings.Split(check, "'")
	require.Greater(t, len(events), 20)
	for i := 1; i < len(events); i += 2 {
		require.NotEmpty(t, happened(notice{Event: events[i]}), events[i])
	}
}
