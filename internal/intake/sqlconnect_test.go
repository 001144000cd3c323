package intake

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// cleanEnvironment is a home without files and an environment without PG* variables.
func cleanEnvironment(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("APPDATA", home)
	for name := range hostileEnvironment(home) {
		t.Setenv(name, "") // pgx takes an empty variable for none
	}
	require.NoError(t, os.Unsetenv("PGSSLCERTMODE")) // but not this one
	return home
}

func hostileEnvironment(home string) map[string]string {
	return map[string]string{
		"PGHOST": "ours.example", "PGPORT": "7777", "PGDATABASE": "ours", "PGUSER": "ours", "PGPASSWORD": "geheim",
		"PGPASSFILE": filepath.Join(home, "pass"), "PGAPPNAME": "ours", "PGCONNECT_TIMEOUT": "1", "PGSSLMODE": "verify-full",
		"PGSSLKEY": filepath.Join(home, "none"), "PGSSLCERT": filepath.Join(home, "none"), "PGSSLSNI": "0",
		"PGSSLROOTCERT": filepath.Join(home, "none"), "PGSSLPASSWORD": "geheim", "PGSSLNEGOTIATION": "direct",
		"PGTARGETSESSIONATTRS": "standby", "PGTZ": "ours", "PGOPTIONS": "-c a=b", "PGMINPROTOCOLVERSION": "3.2",
		"PGMAXPROTOCOLVERSION": "3.2", "PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none", "PGSSLCERTMODE": "require",
		"PGSERVICEFILE": filepath.Join(home, "services"),
	}
}

func sourceURLs() []string {
	return []string{
		"postgres://u:p@h:1234/d", "postgres://u@h/d", "postgresql://h", "postgres:///d", "postgres://", "postgres://u@/d",
		"postgres://:1234/d", "postgres://u:@h/d", "postgres://u@h1:1,h2:2/d", "postgres://u@h1,h2/d", "postgres://u@:1,h2/d",
		"postgres://u@[::1]/d", "postgres://u@[::1]:1234/d", "postgres://u:p%3D%26+%3F@h/d?sslmode=require",
		"postgres://u:a?b@h/d?sslmode=disable", "postgres://u@h/d?ssl=true", "postgres://u@h/d?host=/tmp&port=1234&user=v&password=q&dbname=e",
		"postgres://u@h?options=-c%20geqo%3Doff&timezone=UTC&application_name=x", "postgres://u@h/d?", "postgres://u@h/d?target_session_attrs=primary",
		"host=h user=u password='p p' port=1234 dbname=d", "user=u", "", `host=h user=u password='p\'p\\'`, "host=h1,h2 user=u sslmode=require",
		"host=/var/run/postgresql user=u options='-c geqo=off'",
	}
}

// A source's connection is what its URL says, with pgx's own defaults, whatever the
// environment and the home hold.
func TestSourceTakesNothingOfOurs(t *testing.T) {
	home := cleanEnvironment(t)
	want := map[string]*pgx.ConnConfig{}
	for _, url := range sourceURLs() {
		cfg, err := pgx.ParseConfig(url)
		require.NoError(t, err, url)
		want[url] = cfg
	}
	for _, file := range []string{".pgpass", "pass", "pgpass.conf"} {
		require.NoError(t, os.WriteFile(filepath.Join(home, file), []byte("*:*:*:*:geheim\n"), 0o600))
	}
	for name, value := range hostileEnvironment(home) {
		t.Setenv(name, value)
	}
	_, err := pgx.ParseConfig("postgres://u@h/d")
	require.Error(t, err, "the environment has an effect")
	for _, url := range sourceURLs() {
		got, err := sourceConfig(url, true)
		require.NoError(t, err, url)
		want := want[url]
		require.Equal(t, want.Host, got.Host, url)
		require.Equal(t, want.Port, got.Port, url)
		require.Equal(t, want.User, got.User, url)
		require.Equal(t, want.Password, got.Password, url)
		require.Equal(t, want.Database, got.Database, url)
		require.Equal(t, want.RuntimeParams, got.RuntimeParams, url)
		require.Equal(t, want.TLSConfig, got.TLSConfig, url)
		require.Equal(t, want.Fallbacks, got.Fallbacks, url)
		require.Equal(t, want.SSLNegotiation, got.SSLNegotiation, url)
		require.Equal(t, want.SSLCertMode, got.SSLCertMode, url)
		require.Equal(t, want.ChannelBinding, got.ChannelBinding, url)
		require.Equal(t, want.RequireAuth, got.RequireAuth, url)
		require.Equal(t, want.MinProtocolVersion, got.MinProtocolVersion, url)
		require.Equal(t, want.ValidateConnect == nil, got.ValidateConnect == nil, url)
	}
}

// A URL that names files of this machine gets nothing out of them.
func TestSourceURLNamesNoFile(t *testing.T) {
	home := cleanEnvironment(t)
	pass, services := filepath.Join(home, "pass"), filepath.Join(home, "services")
	require.NoError(t, os.WriteFile(pass, []byte("*:*:*:*:geheim\n"), 0o600))
	require.NoError(t, os.WriteFile(services, []byte("[ours]\npassword=geheim\nhost=h\nuser=u\n"), 0o600))
	t.Setenv("PGSERVICEFILE", services)
	for _, url := range []string{
		"postgres://u@h/d?passfile=" + pass, "host=h user=u passfile=" + pass, "host=h user=u passfile=" + pass + ` options=\`,
		"host=h user=u passfile=" + pass + " options='", "postgres://u@h/d?service=ours", "service=ours servicefile=" + services,
		"postgres://u@h/d?passfile=" + pass + "&options=",
		"postgres://u@h/d?sslcert=" + pass + "&sslkey=" + pass, "postgres://u@h/d?%70assfile=" + pass,
	} {
		cfg, err := sourceConfig(url, false)
		if err == nil {
			require.Empty(t, cfg.Password, url)
		}
		_, err = sourceConfig(url, true)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "geheim")
	}
	require.ErrorIs(t, CheckStoredURL("postgres://u@h/d?sslcert=a&sslkey=b"), errUnsafeURL)
	t.Setenv("PGSERVICE", "ours")
	_, err := sourceConfig("postgres://u@h/d", false)
	require.ErrorContains(t, err, "PGSERVICE")
}
