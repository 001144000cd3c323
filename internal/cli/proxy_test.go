package cli

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
	"relabel/internal/standin"
)

// oauth2Proxy answers as oauth2-proxy does: its cookie is the e-mail address of the person.
func oauth2Proxy(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth2/auth", func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("_oauth2_proxy")
		switch {
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		case c.Value == "nameless":
			w.WriteHeader(http.StatusAccepted)
		default:
			w.Header().Set("X-Auth-Request-Email", c.Value)
			w.WriteHeader(http.StatusAccepted)
		}
	})
	mux.HandleFunc("/oauth2/sign_in", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Sign in with your company")) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// documentedProxy is a configuration of docs/dashboard.md.
func documentedProxy(t *testing.T, kind string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "dashboard.md"))
	require.NoError(t, err)
	_, block, found := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "```"+kind+"\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	return block
}

// withParts is a text with all of some parts replaced, which must be there.
func withParts(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, text, pairs[i])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// The proxies of docs/dashboard.md name the person, whatever a browser sends.
func TestDocumentedProxies(t *testing.T) {
	for _, c := range []struct {
		program string
		start   func(b *testBundle, program, relabel, auth string) (url string, roots *x509.CertPool)
	}{{"nginx", startNginx}, {"caddy", startCaddy}} {
		t.Run(c.program, func(t *testing.T) {
			program := proxyProgram(t, c.program)
			b := setup(t, standin.Config{Assets: 1})
			b.file("users", "anna@example.com:change:\nben@example.com:look:\n")
			address := freeAddress(t)
			p := b.start("", "serve", "--listen", address, "--users", "users", "--behind-proxy", "--trust-from", "127.0.0.1", "--trust-header", "X-Forwarded-User", "--allow-host", "relabel.example.com")
			p.says("Ctrl-C stops")
			front, roots := c.start(b, program, address, strings.TrimPrefix(oauth2Proxy(t).URL, "http://"))
			checkProxy(t, b, newVisitor(t, front, roots))
			refusesOthers(t, address)
			p.signal(syscall.SIGINT)
			r := p.wait().exits(exitOK)
			require.Equal(t, "the dashboard is at https://relabel.example.com\n", r.stdout, "there are no links")
		})
	}
}

func checkProxy(t *testing.T, b *testBundle, v *visitor) {
	t.Helper()
	_, text := v.do(http.MethodGet, "/oauth2/sign_in", nil)
	require.Contains(t, text, "Sign in")
	status, text := v.do(http.MethodGet, "/", nil)
	require.NotEqual(t, http.StatusOK, status, "nobody is logged in")
	require.NotContains(t, text, "Nothing is running")

	status, text = v.do(http.MethodGet, "/api/v1/sites", nil)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, text, "send one token", "programs get to the API without this login")

	v.header = http.Header{"Cookie": {"_oauth2_proxy=anna@example.com"}, "X-Forwarded-User": {"boss", "ben@example.com"}, "X-Forwarded-For": {"192.0.2.1"}}
	require.Contains(t, v.page("/"), `title="anna@example.com at 127.0.0.1"`)
	require.Contains(t, v.figures("overview"), "data: ", "streams pass")
	status, _ = v.do(http.MethodPost, "/site/default/pause", url.Values{})
	require.Equal(t, http.StatusSeeOther, status)
	entries, err := records.AuditEntries(t.Context(), b.db(), "", 0, 2)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, "pause anna@example.com 127.0.0.1", entries[0].Action+" "+entries[0].Person+" "+entries[0].Who)
	require.Equal(t, "log in anna@example.com 127.0.0.1", entries[1].Action+" "+entries[1].Person+" "+entries[1].Who)

	v.header.Set("Cookie", "_oauth2_proxy=ben@example.com")
	status, _ = v.do(http.MethodPost, "/site/default/resume", url.Values{})
	require.Equal(t, http.StatusForbidden, status, "ben may look only")
	v.header.Set("Cookie", "_oauth2_proxy=carla@example.com")
	_, text = v.do(http.MethodGet, "/", nil)
	require.Contains(t, text, "not in the file of people")
	v.header.Set("Cookie", "_oauth2_proxy=nameless")
	_, text = v.do(http.MethodGet, "/", nil)
	require.Regexp(t, "did not say who you are|the header X-Forwarded-User can&#39;t be used", text, "the proxy removes what a browser sends")

	b.file("users", "ben@example.com:look:\n")
	v.header.Set("Cookie", "_oauth2_proxy=anna@example.com")
	_, text = v.do(http.MethodGet, "/", nil)
	require.Contains(t, text, "not in the file of people", "the removed line counts at the next request")
}

// refusesOthers comes from another address of this machine, as only Linux has them without setup.
func refusesOthers(t *testing.T, address string) {
	t.Helper()
	v := newVisitor(t, "http://"+address, nil)
	v.header = http.Header{"X-Forwarded-User": {"ben@example.com"}}
	require.Contains(t, v.page("/"), "ben@example.com")
	v.client.Transport = &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext}
	status, text := v.do(http.MethodGet, "/", nil)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "takes requests only from its proxy. This one came from 127.0.0.2")
	require.Equal(t, "ok\n", v.page("/healthz"))
}

func proxyProgram(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	missing := "there is no " + name + " on this machine (Debian's package " + name + ")"
	if os.Getenv("RELABEL_REQUIRE_PROXIES") != "" {
		t.Fatal(missing + ", and RELABEL_REQUIRE_PROXIES wants one")
	}
	t.Skip(missing + ": its configuration in docs/dashboard.md is not tested")
	return ""
}

// startNginx runs it as one process of our own account, with the server of docs/dashboard.md.
func startNginx(b *testBundle, program, relabel, auth string) (string, *x509.CertPool) {
	b.t.Helper()
	roots := b.certificate()
	address := freeAddress(b.t)
	server := withParts(b.t, documentedProxy(b.t, "nginx"), "listen 443 ssl", "listen "+address+" ssl", "/etc/ssl/relabel.pem", filepath.Join(b.dir, "cert.pem"),
		"/etc/ssl/relabel.key", filepath.Join(b.dir, "key.pem"), "127.0.0.1:4180", auth, "127.0.0.1:8080", relabel)
	text := "daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += kind + "_temp_path " + kind + ";\n"
	}
	b.file("nginx.conf", text+server+"}\n")
	b.startProxy(address, program, "-p", b.dir, "-e", "stderr", "-c", filepath.Join(b.dir, "nginx.conf"))
	return "https://" + address, roots
}

// startCaddy runs it without TLS, for which it would ask Let's Encrypt.
func startCaddy(b *testBundle, program, relabel, auth string) (string, *x509.CertPool) {
	b.t.Helper()
	address := freeAddress(b.t)
	site := withParts(b.t, documentedProxy(b.t, "caddy"), "relabel.example.com {", "http://"+address+" {", "127.0.0.1:4180", auth, "127.0.0.1:8080", relabel)
	b.file("Caddyfile", "{\n\tauto_https off\n\tadmin off\n}\n"+site)
	b.startProxy(address, program, "run", "--config", filepath.Join(b.dir, "Caddyfile"), "--adapter", "caddyfile")
	return "http://" + address, nil
}

// startProxy runs a proxy until the test ends, and waits until it answers.
func (b *testBundle) startProxy(address, program string, args ...string) {
	b.t.Helper()
	cmd := exec.Command(program, args...)
	var log lines
	log.changed = sync.NewCond(&log.mu)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = b.dir, []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH")}, &log, &log
	require.NoError(b.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		conn, err := (&net.Dialer{}).DialContext(b.t.Context(), "tcp", address)
		if err == nil {
			require.NoError(b.t, conn.Close())
			return
		}
		select {
		case <-ended:
			b.t.Fatalf("%s ended: %s", program, log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
