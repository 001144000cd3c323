package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

// inDatabase writes to the database as somebody who has no other access.
func (b *testBundle) inDatabase(sql string, args ...any) {
	b.t.Helper()
	_, err := dbtest.Open(b.t, b.env["DATABASE_URL"]).Pool().Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// Whoever writes to the database chooses neither where the token goes nor what is
// taken for a token.
func TestStoredSettingsGetNoSecret(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1}).with("RELABEL_NOTIFY_SECRET", testToken)
	other, err := standin.Start(standin.Config{Assets: 1, Tokens: []string{testToken}})
	require.NoError(t, err)
	t.Cleanup(other.Close)
	b.enqueue(names(1))
	secret := b.dir + "/" + b.file("secret", testToken)
	for _, c := range []struct{ set, value, want string }{
		{"api_url", other.URL(), "set RELABEL_API_HOSTS=127.0.0.1:"},
		{"token_env", "RELABEL_NOTIFY_SECRET", "set RELABEL_TOKEN_ENV"},
		{"token_file", secret, "set RELABEL_TOKEN_DIRS"},
	} {
		b.inDatabase(`UPDATE relabel.site SET `+c.set+` = $1`, c.value)
		for _, command := range [][]string{{"work", "--until-done"}, {"site", "check"}, {"run", "-"}} {
			b.run(command...).fails(exitError, "site default", c.want)
		}
		b.inDatabase(`UPDATE relabel.site SET ` + c.set + ` = NULL`)
	}
	require.Zero(t, other.Calls()+b.api.Calls())

	b.inDatabase(`UPDATE relabel.site SET api_url = $1, token_file = $2`, other.URL(), secret)
	b = b.with("RELABEL_API_HOSTS", other.URL()[len("http://"):len(other.URL())-len("/v2")]).with("RELABEL_TOKEN_DIRS", b.dir)
	b.ok("work", "--until-done")
	require.Equal(t, 1, other.Calls())
}

// site set refuses what workers would refuse.
func TestSiteSetRefusesWhatIsNotAllowed(t *testing.T) {
	b := setup(t, standin.Config{})
	b.run("site", "set", "--api-url", "https://evil.example/v2").fails(exitUsage, "--api-url", "set RELABEL_API_HOSTS=evil.example")
	b.run("site", "set", "--token-env", "SECRET").fails(exitUsage, "--token-env", "set RELABEL_TOKEN_ENV")
	b.run("site", "set", "--token-file", "/etc/passwd").fails(exitUsage, "--token-file", "set RELABEL_TOKEN_DIRS")
	b = b.with("RELABEL_API_HOSTS", "api.example").with("RELABEL_TOKEN_ENV", "SECRET").with("RELABEL_TOKEN_DIRS", "/etc")
	b.ok("site", "set", "--api-url", "https://api.example/v2", "--token-env", "SECRET", "--token-file", "/etc/passwd")
	b.ok("site", "set", "--api-url", "", "--token-env", "", "--token-file", "")
}
