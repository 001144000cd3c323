package cli

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
	"relabel/internal/standin"
)

func TestUserHash(t *testing.T) {
	b := setupPrivate(t, standin.Config{})
	r := b.pipe("correct horse\nmore\n", "user", "hash", "anna", "--role", "change").exits(exitOK)
	require.Regexp(t, `^anna:change:\$argon2id\$v=19\$m=19456,t=2,p=1\$\S{22}\$\S{43}\n$`, r.stdout)
	require.Empty(t, r.stderr)
	require.NotEqual(t, r.stdout, b.pipe("correct horse", "user", "hash", "anna", "--role", "change").exits(exitOK).stdout)
	require.Regexp(t, `^ben@example.com:look:\$argon2id`, b.pipe("correct horse\r\n", "user", "hash", "ben@example.com").exits(exitOK).stdout)
	v := b.pipe("correct horse", "user", "hash", "ben", "--json").exits(exitOK).json()
	require.Equal(t, "ben:look:"+v["hash"].(string), v["line"])
	for stdin, want := range map[string]string{"": "shorter than 8", "1234567\n": "shorter than 8", "\ncorrect horse": "shorter than 8", strings.Repeat("x", 1001): "longer than 1,000"} {
		b.pipe(stdin, "user", "hash", "anna").fails(exitError, want)
	}
	b.run("user", "hash").fails(exitUsage, "takes one name")
	b.run("user", "hash", "a:b").fails(exitUsage, `"a:b" can't be a name: the name has a colon`)
	b.run("user", "hash", "anna", "--role", "boss").fails(exitUsage, `--role: the role "boss"`)
	b.run("user", "add").fails(exitUsage, `there is no command "user add"`)
}

// With a file of people others may come, and the log has their names.
func TestServeUsers(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	line := func(name, role, password string) string {
		return b.pipe(password, "user", "hash", name, "--role", role).exits(exitOK).stdout
	}
	anna, ben := line("anna", "change", "correct horse"), line("ben", "look", "battery staple")
	b.file("users", anna+ben)
	roots := b.certificate()
	address := freeAddress(t)
	p := b.start("", "work", "--serve", strings.Replace(address, "127.0.0.1", "0.0.0.0", 1), "--users", "users", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	p.says("Ctrl-C stops")
	require.NotContains(t, p.stderr.String(), "key=", "there are no links for other machines")
	enter := func(name, password string) *visitor {
		v := newVisitor(t, "https://"+address, roots)
		status, _ := v.do(http.MethodPost, "/login", url.Values{"name": {name}, "password": {password}})
		require.Equal(t, http.StatusSeeOther, status)
		return v
	}
	va, vb := enter("anna", "correct horse"), enter("ben", "battery staple")
	status, _ := va.do(http.MethodPost, "/site/default/pause", nil)
	require.Equal(t, http.StatusSeeOther, status)
	status, _ = vb.do(http.MethodPost, "/site/default/resume", nil)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, va.page("/sessions"), `ben <span class="dim">(checked)</span>`)
	entries, err := records.AuditEntries(t.Context(), b.db(), "site default", 0, 1)
	require.NoError(t, err)
	require.Equal(t, "anna", entries[0].Person)

	b.file("users", anna+strings.Replace(ben, ":look:", ":change:", 1))
	require.Contains(t, vb.page("/sessions"), "this browser", "a changed role takes effect")
	b.file("users", anna)
	status, _ = vb.do(http.MethodGet, "/", nil)
	require.Equal(t, http.StatusUnauthorized, status, "who was removed is logged out")
	require.NoError(t, os.Chmod(filepath.Join(b.dir, "users"), 0o666))
	p.says("other accounts can write to users")
	require.Equal(t, 1, strings.Count(p.stderr.String(), "other accounts can write"))
	va.page("/")
	p.signal(syscall.SIGINT)
	r := p.wait().exits(exitOK)
	require.NotContains(t, r.stderr, "argon2id")
	require.NotContains(t, r.stderr, "correct horse")
}

// On this machine links go on beside people's passwords.
func TestServeUsersHere(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	b.file("users", b.pipe("correct horse", "user", "hash", "anna").exits(exitOK).stdout)
	p := b.start("", "serve", "--listen", "127.0.0.1:0", "--users", "users")
	p.says("Ctrl-C stops")
	p.signal(syscall.SIGINT)
	require.Regexp(t, linkPattern, p.wait().exits(exitOK).stdout)
	p = b.start("", "serve", "--listen", "127.0.0.1:0", "--users", "users", "--behind-proxy")
	p.says("Ctrl-C stops")
	p.signal(syscall.SIGINT)
	require.NotContains(t, p.wait().exits(exitOK).stdout, "key=", "other machines reach it")
}
