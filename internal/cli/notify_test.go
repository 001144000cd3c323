package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// hook gets notices, and keeps "EVENT PATH" of each.
type hook struct {
	*httptest.Server

	mu  sync.Mutex
	got []string
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Event string }
		_ = json.NewDecoder(r.Body).Decode(&m) // an empty event fails the test
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, m.Event+" "+r.URL.Path)
	}))
	t.Cleanup(h.Close)
	return h
}

// take returns what has arrived since.
func (h *hook) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

func TestNotifyUsage(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	file := b.file("names.csv", "asset_id,display_name\n"+standin.AssetID(0)+",new\n")
	for _, args := range [][]string{{"run", file}, {"enqueue", file}, {"apply", "1"}, {"site", "set"}} {
		for url, says := range map[string]string{
			"http://example.com/":                               "--notify: the URL must begin with https://, not http://; to allow http and private networks, set RELABEL_NOTIFY_ALLOW_PRIVATE=1 where relabel runs",
			"https://u:geheim@example.com/":                     "--notify: a URL with a user or a password",
			"smtp://u:geheim@mail.example.com?to=ops@a.example": `set RELABEL_SMTP_PASSWORD="mail.example.com PASSWORD"`,
		} {
			r := b.run(append(args, "--notify", url)...)
			require.Equal(t, exitUsage, r.code, r.stderr)
			require.Contains(t, r.stderr, says)
			require.NotContains(t, r.stderr, "geheim")
		}
	}
	r := b.run("run", file, "--rehearse", "--notify", "https://example.com/")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "--rehearse sends no notices")
}

// The addresses of a site are replaced as a whole, and shown without their secrets.
func TestSiteNotify(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	const first, second = "https://hooks.example.com/secret", "smtps://ann@mail.example.com?to=ops@example.com"
	b.ok("site", "set", "--notify", first, "--notify", second)
	shown := []any{"https://hooks.example.com/…", "smtps://mail.example.com?to=ops@example.com"}
	list := b.ok("site", "list", "--json").json()
	require.Equal(t, shown, list["sites"].([]any)[0].(map[string]any)["notify"])
	require.Equal(t, shown, b.ok("site", "set", "--rate", "60/1m", "--json").json()["notify"], "other settings keep them")
	require.Contains(t, b.ok("site", "set").stdout, "--notify     https://hooks.example.com/… smtps://mail.example.com?to=ops@example.com")
	require.Equal(t, []any{shown[1]}, b.ok("site", "set", "--notify", second, "--json").json()["notify"])
	require.Equal(t, []any{}, b.ok("site", "set", "--notify", "", "--json").json()["notify"])
}

// Notices of a batch come from whatever command ends it, to the addresses of all commands
// that named some.
func TestNotifyOfBatch(t *testing.T) {
	b := setup(t, standin.Config{Assets: 4}).with("RELABEL_NOTIFY_ALLOW_PRIVATE", "1")
	h := newHook(t)
	file := func(i int) string {
		return b.file("names.csv", "asset_id,display_name\n"+standin.AssetID(i)+",new\n")
	}
	b.ok("run", file(0), "--notify", h.URL+"/a", "--notify", h.URL+"/b")
	require.ElementsMatch(t, []string{"done /a", "done /b"}, h.take())

	b.ok("site", "set", "--notify", h.URL+"/site")
	b.ok("run", file(1), "--plan", "--yes", "--notify", h.URL+"/a")
	require.ElementsMatch(t, []string{"done /a", "done /site"}, h.take())

	b.ok("plan", file(2))
	require.Empty(t, h.take())
	b.ok("apply", "3", "--notify", h.URL+"/applied")
	b.ok("work", "--until-done")
	require.ElementsMatch(t, []string{"done /applied", "done /site"}, h.take())

	b.ok("enqueue", file(3), "--notify", h.URL+"/queued", "--notify", h.URL+"/site")
	b.ok("work", "--until-done")
	require.ElementsMatch(t, []string{"done /queued", "done /site"}, h.take())

	notices := b.ok("site", "notices", "--limit", "2", "--json").json()["notices"].([]any)
	require.Len(t, notices, 2)
	one := notices[0].(map[string]any)
	require.Equal(t, []any{"done", 4.0, 1.0, nil}, []any{one["event"], one["batch"], one["tries"], one["error"]})
	require.Equal(t, h.URL+"/…", one["to"])
	require.Contains(t, b.ok("site", "notices").stdout, "sent at")
	h.Close()
	b.run("run", b.file("other.csv", "asset_id,display_name\n"+standin.AssetID(0)+",other\n"))
	require.Contains(t, b.ok("site", "notices", "--limit", "1").stdout, "next try at")
}
