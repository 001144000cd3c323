package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
)

// A token is printed once, listed without its secret, revoked, and in the audit log.
func TestToken(t *testing.T) {
	b := setup(t, standin.Config{})
	secret := strings.TrimSpace(b.ok("token", "create", "n8n", "--role", "write", "--expires", "12h").stdout)
	require.True(t, strings.HasPrefix(secret, db.TokenPrefix))
	b.ok("token", "create", "grafana", "--site", "default")
	list := b.ok("token", "list")
	require.Contains(t, list.stdout, "never")
	require.Regexp(t, `grafana +active +read +default +\d{4}-\d\d-\d\d \d\d:\d\d +never\n`, list.stdout)
	require.Regexp(t, `n8n +active +write +all .* never\n`, list.stdout)
	require.NotContains(t, list.stdout+list.stderr, secret)

	b.run("token", "create", "n8n").fails(exitError, "there is a token of that name already: n8n; `relabel token revoke` ends it")
	b.run("token", "create", "a b").fails(exitUsage, "a token's name has up to 40 letters")
	b.run("token", "create", "x", "--role", "admin").fails(exitUsage, "--role is read or write")
	for _, age := range []string{"0d", "never", "4000d", "-1h"} {
		b.run("token", "create", "x", "--expires", age).fails(exitUsage, "--expires takes an age such as 90d")
	}
	b.run("token", "create", "x", "--site", "none").fails(exitError, "no such site: none")
	b.run("token", "create").fails(exitUsage, "takes the NAME of one token")
	b.ok("token", "revoke", "n8n")
	b.run("token", "revoke", "n8n").fails(exitError, "no such token: n8n; `relabel token list` shows those that exist")
	require.Regexp(t, `n8n +revoked`, b.ok("token", "list").stdout)

	entries, err := records.AuditEntries(t.Context(), b.db(), "token n8n", 0, 10)
	require.NoError(t, err)
	require.Len(t, entries, 4)
	require.Equal(t, "create", entries[3].Action)
	require.Equal(t, "role write, for 12h, of all sites", entries[3].Detail)
	require.Equal(t, "revoke", entries[1].Action)
	require.Equal(t, "done", *entries[1].Result)
}
