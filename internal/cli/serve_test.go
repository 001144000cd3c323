package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/people"
	"relabel/internal/standin"
)

// Beyond this machine nobody gets in by mistake.
func TestServeRefuses(t *testing.T) {
	b := setup(t, standin.Config{})
	b.file("secret", "correct horse\n")
	b.file("other", "battery staple\n")
	b.file("short", "1234567\n")
	b.file("nobody", "anna:look:\n")
	b.file("wrong", "# people\nanna:look:"+people.Hash("correct horse")+"\nben:boss:\n")
	b.file("open", "anna:look:\n")
	require.NoError(t, os.Chmod(filepath.Join(b.dir, "open"), 0o666))
	for args, part := range map[string]string{
		"serve --listen 0.0.0.0:0":                                                                                  "other machines can reach ",
		"serve --listen :0":                                                                                         "other machines can reach ",
		"serve --listen [::]:0 --password-file secret":                                                              "other machines can reach ",
		"serve --listen example.com:0 --tls-cert c --tls-key k":                                                     "other machines can reach ",
		"serve --listen 192.0.2.1:0 --behind-proxy":                                                                 "other machines can reach ",
		"serve --listen 127.0.0.1":                                                                                  "is not an address",
		"serve --tls-cert c":                                                                                        "go together",
		"serve --read-only-password-file other":                                                                     "needs --password-file",
		"serve --password-file secret --read-only-password-file secret":                                             "the same",
		"serve --proxy-address 10.0.0.1":                                                                            "needs --behind-proxy",
		"serve --behind-proxy --proxy-address 10.0.0":                                                               "is not an address or a network",
		"work --proxy-address 10.0.0.1":                                                                             "--serve starts it",
		"serve --max-upload 0":                                                                                      "1 MB or more",
		"serve --trust-from 10.0.0.1":                                                                               "need --trust-header",
		"serve --trust-role look":                                                                                   "need --trust-header",
		"serve --trust-header X-User --trust-from 10.0.0.1 --trust-role look":                                       "--trust-header needs --behind-proxy",
		"serve --trust-header X-User --behind-proxy --trust-role look":                                              "--trust-from with the address of the proxy",
		"serve --trust-header X-User --behind-proxy --trust-from 10.0.0.1":                                          "--users FILE, or --trust-role",
		"serve --trust-header Cookie --behind-proxy --trust-from 10.0.0.1 --trust-role look":                        "has another meaning",
		"serve --trust-header X-User --behind-proxy --trust-from 10.0.0.1 --trust-role boss":                        `the role "boss"`,
		"serve --trust-header X-User --behind-proxy --trust-from proxy --trust-role look":                           `--trust-from: "proxy" is not an address`,
		"serve --trust-header X-User --behind-proxy --trust-from 0.0.0.0/0 --trust-role look":                       "is every address",
		"serve --trust-header X-User --behind-proxy --trust-from ::/0 --trust-role look":                            "is every address",
		"serve --trust-header X-User --behind-proxy --trust-from 10.0.0.1 --trust-role look --password-file secret": "exclude each other",
		"serve --listen 0.0.0.0:0 --users people":                                                                   "other machines can reach ",
		"serve --users nobody":                                                                                      "nobody in nobody has a password",
		"work --users people":                                                                                       "--serve starts it",
		"work --trust-role look":                                                                                    "--serve starts it",
		"serve x":                                                                                                   "no arguments",
		"work --password-file secret":                                                                               "--serve starts it",
		"work --serve 0.0.0.0:0":                                                                                    "other machines can reach ",
		"work --serve 127.0.0.1:0 --allow-host a --read-only-password-file other":                                   "needs --password-file",
		"serve --listen 0.0.0.0:0 --password-file secret --behind-proxy --allow-host= x y":                          "no arguments",
	} {
		b.run(strings.Fields(args)...).fails(exitUsage, part)
	}
	b.run("serve", "--password-file", "short").fails(exitError, "shorter than 8 characters")
	b.run("serve", "--password-file", "missing").fails(exitError, "can't be read")
	b.run("serve", "--users", "missing").fails(exitError, "the users' file can't be used", "missing")
	b.run("serve", "--users", "wrong").fails(exitError, `the users' file wrong, line 3: the role "boss" is not one of look and change`)
	b.run("serve", "--users", "open").fails(exitError, "other accounts can write to open", "run `chmod go-w open`")
	b.run("serve", "--tls-cert", "secret", "--tls-key", "secret").fails(exitError, "certificate can't be used")
}

// visitor is a browser that knows nothing but cookies.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
	header http.Header // of each request
}

func newVisitor(t *testing.T, base string, roots *x509.CertPool) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t: t, base: base, client: &http.Client{
		Jar: jar, Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (v *visitor) do(method, path string, form url.Values) (int, string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.base+path, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	maps.Copy(r.Header, v.header)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := v.client.Do(r)
	require.NoError(v.t, err)
	defer res.Body.Close() //nolint:errcheck // was only read
	text, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	return res.StatusCode, string(text)
}

func (v *visitor) page(path string) string {
	v.t.Helper()
	status, text := v.do(http.MethodGet, path, nil)
	require.Equal(v.t, http.StatusOK, status, path)
	return text
}

// figures starts the live stream of a topic and gives its first event.
func (v *visitor) figures(topic string) string {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/live/"+topic, nil)
	require.NoError(v.t, err)
	maps.Copy(r.Header, v.header)
	res, err := v.client.Do(r)
	require.NoError(v.t, err)
	defer res.Body.Close() //nolint:errcheck // was only read
	require.Equal(v.t, "text/event-stream", res.Header.Get("Content-Type"))
	var text strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(text.String(), "data: ") || !strings.HasSuffix(text.String(), "\n\n") {
		n, err := res.Body.Read(buf)
		text.Write(buf[:n])
		require.NoError(v.t, err, text.String())
	}
	return text.String()
}

var linkPattern = regexp.MustCompile(`full access: (http://[^/]+)(/login\?key=\S+)`)

// workAndServe starts workers with a dashboard, and logs in to it.
func (b *testBundle) workAndServe() (*process, *visitor) {
	b.t.Helper()
	p := b.start("", "work", "--serve", "127.0.0.1:0")
	p.says("working on site default")
	found := linkPattern.FindStringSubmatch(p.stderr.String())
	require.NotNil(b.t, found, &p.stderr)
	v := newVisitor(b.t, found[1], nil)
	status, _ := v.do(http.MethodGet, found[2], nil)
	require.Equal(b.t, http.StatusSeeOther, status)
	p.says("the next link: http://")
	return p, v
}

// Command line, JSON, page, stream and view say the same of a batch: at its end, and in its midst.
func TestSameFigures(t *testing.T) {
	b := setup(t, standin.Config{Assets: 40})
	for _, n := range []int{3, 5, 8} {
		b.api.FailAsset(standin.AssetID(n), standin.Status(http.StatusNotFound))
	}
	b.api.FailAsset(standin.AssetID(1), standin.RateLimited("1"))
	ended := b.enqueue(names(30))
	b.run("work", "--until-done").exits(exitTrouble)
	midst := b.enqueue(names(40))
	b.ok("batch", "pause", midst)
	p, v := b.workAndServe()
	for _, id := range []string{ended, midst} {
		b.sameFigures(v, id)
	}
	p.signal(syscall.SIGTERM)
	p.wait().exits(exitOK)
}

var pairPattern = regexp.MustCompile(`<dt>(?:<span[^>]*></span>)?([^<]*)</dt><dd[^>]*>([^<]*)</dd>`)

func (b *testBundle) sameFigures(v *visitor, id string) {
	b.t.Helper()
	want := b.status(id)
	text := b.ok("status", id).stdout
	statuses := []string{"pending", "sending", "succeeded", "failed", "superseded", "unchanged", "conflict", "cancelled", "invalid"}
	for where, shown := range map[string]string{"page": v.page("/batch/" + id), "stream": v.figures("batch/" + id)} {
		pairs := map[string]string{}
		for _, m := range pairPattern.FindAllStringSubmatch(shown, -1) {
			pairs[m[1]] = html.UnescapeString(m[2])
		}
		for _, s := range statuses {
			n := want[s].(float64)
			if n == 0 {
				require.NotContains(b.t, pairs, s, where)
				continue
			}
			require.Equal(b.t, fmt.Sprint(n), pairs[s], "%s of batch %s in the %s", s, id, where)
			require.Contains(b.t, text, fmt.Sprintf("%v %s", n, s))
		}
		require.Equal(b.t, fmt.Sprint(want["calls"]), pairs["calls"], where)
		require.Equal(b.t, fmt.Sprint(want["rate_limited"]), pairs["answered 429"], where)
		require.Contains(b.t, text, pairs["limit now"], where)
	}
	b.sameInView(id, want, append(statuses, "total", "calls", "rate_limited", "status", "name"))
}

func (b *testBundle) sameInView(id string, want map[string]any, columns []string) {
	b.t.Helper()
	rows, err := b.db().Pool().Query(b.t.Context(), `SELECT * FROM batch_progress WHERE batch = $1::text::bigint`, id)
	require.NoError(b.t, err)
	view, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
	require.NoError(b.t, err)
	for _, c := range columns {
		require.Equal(b.t, fmt.Sprint(want[c]), fmt.Sprint(view[c]), "%s of batch %s in the view", c, id)
	}
}

// With TLS and a password other machines may come.
func TestServeWithTLS(t *testing.T) {
	b := setup(t, standin.Config{})
	roots := b.certificate()
	b.file("secret", "correct horse\n")
	address := freeAddress(t)
	p := b.start("", "serve", "--listen", strings.Replace(address, "127.0.0.1", "0.0.0.0", 1), "--password-file", "secret",
		"--tls-cert", "cert.pem", "--tls-key", "key.pem", "--allow-host", "relabel.example.com")
	p.says("Ctrl-C stops")
	v := newVisitor(t, "https://"+address, roots)
	status, _ := v.do(http.MethodPost, "/login", url.Values{"password": {"wrong horse"}})
	require.Equal(t, http.StatusForbidden, status)
	status, _ = v.do(http.MethodPost, "/login", url.Values{"password": {"correct horse"}})
	require.Equal(t, http.StatusSeeOther, status)
	require.Contains(t, v.page("/"), "Nothing is running")
	b.file("secret", "another horse\n")
	require.Eventually(t, func() bool {
		status, _ := v.do(http.MethodGet, "/", nil)
		return status == http.StatusUnauthorized
	}, patience, 100*time.Millisecond, "a changed password ends the session")
	status, _ = v.do(http.MethodPost, "/login", url.Values{"password": {"another horse"}})
	require.Equal(t, http.StatusSeeOther, status)
	p.signal(syscall.SIGINT)
	r := p.wait().exits(exitOK)
	require.Equal(t, "the dashboard is at https://relabel.example.com"+address[strings.Index(address, ":"):]+"\n", r.stdout)
	require.NotContains(t, r.stdout+r.stderr, "correct horse")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nothing is lost with it
	return l.Addr().String()
}

// certificate writes cert.pem and key.pem, and gives who trusts them.
func (b *testBundle) certificate() *x509.CertPool {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(b.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(b.t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	b.file("cert.pem", string(text))
	b.file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	roots := x509.NewCertPool()
	require.True(b.t, roots.AppendCertsFromPEM(text))
	return roots
}

// A port that is taken is said before anything begins.
func TestServeAddressTaken(t *testing.T) {
	b := setup(t, standin.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nothing is lost with it
	b.run("serve", "--listen", l.Addr().String()).fails(exitError, "can't listen on", "choose another address with --listen")
}
