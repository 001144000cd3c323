package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
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

// A terminal shows foreign text, and does not obey it; a file gets it as it is.
func TestOutputToTerminalIsEscaped(t *testing.T) {
	t.Parallel()
	const hostile = "a\u009b2Jb\x1b[31m\u202ec\r😀é\n"
	for size := 1; size < len(hostile); size++ {
		var screen, file bytes.Buffer
		shown, whole := &output{Writer: &screen, terminal: true}, &output{Writer: &file}
		for text := hostile; text != ""; {
			n := min(size, len(text))
			for _, o := range []*output{shown, whole} {
				written, err := o.Write([]byte(text[:n]))
				require.NoError(t, err)
				require.Equal(t, n, written)
			}
			text = text[n:]
		}
		require.Equal(t, `a\u009b2Jb\u001b[31m\u202ec\u000d😀é`+"\n", screen.String())
		require.Equal(t, hostile, file.String())
	}
}

// JSON on a terminal means the same.
func TestJSONToTerminal(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	value := map[string]string{"name": "a\u009b\u202e\x7f\"\\\n"}
	require.NoError(t, printJSON(&output{Writer: &screen, terminal: true}, value))
	require.NotContains(t, screen.String(), "\u009b")
	got := map[string]string{}
	require.NoError(t, json.Unmarshal(screen.Bytes(), &got))
	require.Equal(t, value, got)
}

// Foreign text makes no other line in a log, in a note or in an error.
func TestLinesAreNotForged(t *testing.T) {
	t.Parallel()
	const hostile = "x\ntime=2026-01-01 level=ERROR msg=forged\r\x1b[2K\u2028\u202e"
	var out bytes.Buffer
	a := newApp(Params{Out: &out, Err: &out})
	newLogger(a.Err, slog.LevelInfo, false).Info(hostile, "value", hostile, "error", usageError("%s", hostile), slog.Group("g", "list", []string{hostile}))
	a.note("columns not used: %s", hostile)
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	_, line := endOf(usageError("%s", hostile))
	for _, bad := range []string{"\r", "\x1b", "\u2028", "\u202e"} {
		require.NotContains(t, out.String()+line, bad)
	}
	require.NotContains(t, line, "\n")
}
