package schedule

import (
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for _, private := range []string{
		"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::", "224.0.0.1",
		"255.255.255.255", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::",
		"198.18.0.1", "192.0.2.1", "240.0.0.1", "2001:db8::1", "0.1.2.3", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1",
		"fe80::1%eth0", "fc00::1%1", "2606:4700::1111%eth0", "::1%lo", "::ffff:10.0.0.1%eth0", "::ffff:8.8.8.8%eth0", "2002:808:808::1", "2001::1", "fec0::1",
		"::127.0.0.1", "::8.8.8.8", "3fff::1", "3fff:fff::1", "5f00::1", "100::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"64:ff9b::808:808%eth0", "2620:4f:8000::1", "4000::1",
	} {
		require.False(t, isPublic(netip.MustParseAddr(private)), private)
	}
	for _, public := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00::1", "3fff:1000::1", "2001:200::1"} {
		require.True(t, isPublic(netip.MustParseAddr(public)), public)
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"http://example.com/x": "https://", "ftp://example.com/x": "https://", "https://u:p@example.com/": "password",
		"https://u@example.com/": "password", "example.com/x": "no URL", "https://": "no URL", "file:///etc/passwd": "no URL", "::": "no URL",
	} {
		_, err := ParseURL(text, false)
		require.ErrorContains(t, err, says, text)
	}
	_, err := ParseURL("https://example.com/x?key=1", false)
	require.NoError(t, err)
	_, err = ParseURL("http://10.0.0.1/x", true)
	require.NoError(t, err)
	require.Equal(t, "https://example.com/a.csv", ShownURL("https://example.com/a.csv?key=secret#x"))
	require.Equal(t, "https://hooks.slack.com/…", ShownHost("https://hooks.slack.com/services/secret"))
}

// A CSV is read from a URL at each run: bounded, whole, and only from where it
// may come.
func TestSourceFromURL(t *testing.T) {
	t.Parallel()
	row := fmt.Sprintf("%s,%s\n", standin.AssetID(1), wanted(1))
	csv := "asset_id,display_name\n" + row
	var answer http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere.csv" {
			_, _ = io.WriteString(w, csv)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	b := setup(t, 3)
	url := server.URL + "/names.csv?key=secret"
	b.env[SourceAllowPrivate] = "1"
	b.add(func(s *scheduledb.Schedule) { s.CSV = &url })
	day := 0
	failsWith := func(says string, h http.HandlerFunc) {
		t.Helper()
		day++
		answer = h
		run := b.run(at2(day), "failed")
		require.Contains(t, *run.Error, says)
		require.NotContains(t, *run.Error, "secret")
	}
	failsWith("404", http.NotFound)
	failsWith("text/html", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html>sign in</html>")
	})
	failsWith("more than 1 MiB", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "asset_id,display_name\n"+strings.Repeat(row, 30_000))
	})
	failsWith("broke off", func(w http.ResponseWriter, _ *http.Request) { // valid as far as it goes
		w.Header().Set("Content-Length", fmt.Sprint(2*len(csv)))
		_, _ = io.WriteString(w, csv)
	})
	failsWith("redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://example.com/names.csv", http.StatusFound)
	})
	failsWith("redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again.csv", http.StatusFound) })
	require.Zero(t, b.calls()["PATCH"])

	day++
	answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere.csv", http.StatusFound) }
	require.Equal(t, int64(1), b.run(at2(day), "done").Renamed)
	day++
	answer = func(w http.ResponseWriter, _ *http.Request) {
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, csv)
		_ = z.Close()
	}
	run := b.run(at2(day), "done")
	require.Equal(t, int64(1), run.LookedAt)
	st, err := records.Batch(t.Context(), b.DB, *run.Batch)
	require.NoError(t, err)
	require.Equal(t, server.URL+"/names.csv", st.Source)

	// Without leave no private address is reached, by http or by a redirect.
	delete(b.env, SourceAllowPrivate)
	failsWith("https://", answer)
	secure := strings.Replace(url, "http://", "https://", 1)
	b.exec(`UPDATE schedule SET csv = $1`, secure)
	failsWith("private network", answer)
}

// receiver takes notices, or refuses them.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	status int
	bodies [][]byte
	heads  []http.Header
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.heads = append(r.bodies, body), append(r.heads, req.Header.Clone())
		if r.status == http.StatusFound {
			w.Header().Set("Location", "/other")
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

// Somebody is told when the state changes, signed, again and again until it is
// taken or given up.
func TestNotify(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	r := newReceiver(t)
	url := r.URL + "/hook/secret"
	b.env[NotifyAllowPrivate], b.env[NotifySecret] = "1", "key"
	b.add(func(s *scheduledb.Schedule) { s.NotifyURL = &url })
	tell := func() {
		t.Helper()
		require.NoError(t, b.runner.Notify(t.Context()))
	}
	tell()
	require.Zero(t, r.got())
	r.answer(http.StatusServiceUnavailable)
	b.run(at2(1), "failed")
	b.exec(`UPDATE schedule_notice SET next_try_at = $1`, at2(1)) // made by the database's clock
	tell()
	require.Equal(t, 1, r.got())
	tell()
	require.Equal(t, 1, r.got(), "not before its time")
	b.clock.add(10 * time.Second)
	r.answer(http.StatusFound)
	tell()
	require.Equal(t, 2, r.got(), "a redirect is not followed")
	r.answer(http.StatusNoContent)
	b.clock.add(time.Minute)
	tell()
	require.Equal(t, 3, r.got())
	b.clock.add(100 * time.Hour)
	tell()
	require.Equal(t, 3, r.got(), "it was taken")

	var m message
	require.NoError(t, json.Unmarshal(r.bodies[2], &m))
	require.Equal(t, "failed", m.Event)
	require.Equal(t, "nightly", m.Schedule)
	require.Contains(t, m.Text, "nightly (site default) failed: ")
	require.Equal(t, scheduledb.RunFailed, m.Run.Status)
	require.Equal(t, r.bodies[0], r.bodies[2], "each try is the same message")
	stamp := r.heads[2].Get("X-Relabel-Timestamp")
	mac := hmac.New(sha256.New, []byte("key"))
	fmt.Fprintf(mac, "%s.%s", stamp, r.bodies[2])
	require.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), r.heads[2].Get("X-Relabel-Signature"))

	notices, err := scheduledb.Notices(t.Context(), b.DB, b.schedule().ID, 10)
	require.NoError(t, err)
	require.Len(t, notices, 1)
	require.Equal(t, 3, notices[0].Tries)
	require.NotNil(t, notices[0].SentAt)
}

func TestNotifyIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	r := newReceiver(t)
	r.answer(http.StatusInternalServerError)
	url := r.URL + "/secret"
	b.env[NotifyAllowPrivate] = "1"
	b.add(func(s *scheduledb.Schedule) { s.NotifyURL = &url })
	b.run(at2(1), "failed")
	b.exec(`UPDATE schedule_notice SET next_try_at = $1`, at2(1))
	for range len(notifyDelays()) + 5 {
		require.NoError(t, b.runner.Notify(t.Context()))
		b.clock.add(13 * time.Hour)
	}
	require.Equal(t, len(notifyDelays())+1, r.got())
	require.Empty(t, r.heads[0].Get("X-Relabel-Signature"), "there is no secret")
	notices, err := scheduledb.Notices(t.Context(), b.DB, b.schedule().ID, 10)
	require.NoError(t, err)
	require.Nil(t, notices[0].NextTryAt)
	require.Contains(t, *notices[0].Error, "500")

	// A private address is refused, and its path is told to nobody.
	delete(b.env, NotifyAllowPrivate)
	b.exec(`UPDATE schedule_notice SET next_try_at = $1, tries = 0`, at2(1))
	b.exec(`UPDATE schedule SET notify_url = $1`, strings.Replace(url, "http://", "https://", 1))
	require.NoError(t, b.runner.Notify(t.Context()))
	notices, err = scheduledb.Notices(t.Context(), b.DB, b.schedule().ID, 10)
	require.NoError(t, err)
	require.Equal(t, "the address is in a private network; to allow that, set RELABEL_NOTIFY_ALLOW_PRIVATE=1 in the worker's environment", *notices[0].Error)
}

func TestMessageIsNoMarkup(t *testing.T) {
	t.Parallel()
	m := messageOf(scheduledb.Notice{Schedule: "nightly", Site: "shop", Event: "failed", Detail: "<!channel> a & b"})
	require.Equal(t, "relabel: nightly (site shop) failed: &lt;!channel&gt; a &amp; b", m.Text)
	require.Equal(t, "<!channel> a & b", m.Detail)
}
