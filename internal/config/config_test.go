package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"relabel/internal/config"
)

const token = "0123456789abcdef-a-token"

// lookupIn looks variables up in a map.
func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	cfg, err := config.Read(lookupIn(nil))
	require.NoError(t, err)
	require.Empty(t, cfg.DatabaseURL)
	require.Equal(t, "https://api.webflow.com/v2", cfg.APIURL)
	require.Equal(t, 30*time.Second, cfg.CallTimeout)
	require.Equal(t, config.Rate{Calls: 60, Window: time.Minute}, cfg.Rate)
	require.False(t, cfg.RateGiven)

	cfg, err = config.Read(lookupIn(map[string]string{
		"DATABASE_URL": "postgres://db", "RELABEL_STATE_DIR": "/state", "WEBFLOW_API_URL": "http://127.0.0.1/v2",
		"WEBFLOW_RATE_LIMIT": "120/1m", "RELABEL_CALL_TIMEOUT": "5s",
	}))
	require.NoError(t, err)
	require.Equal(t, "postgres://db", cfg.DatabaseURL)
	require.Equal(t, "/state", cfg.StateDir)
	require.Equal(t, "http://127.0.0.1/v2", cfg.APIURL)
	require.Equal(t, 5*time.Second, cfg.CallTimeout)
	require.Equal(t, config.Rate{Calls: 120, Window: time.Minute, Fixed: true}, cfg.Rate)
	require.True(t, cfg.RateGiven)

	// An empty variable counts as not set.
	cfg, err = config.Read(lookupIn(map[string]string{"WEBFLOW_RATE_LIMIT": "", "RELABEL_CALL_TIMEOUT": "", "WEBFLOW_API_URL": ""}))
	require.NoError(t, err)
	require.False(t, cfg.RateGiven)
	require.Equal(t, "https://api.webflow.com/v2", cfg.APIURL)
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"WEBFLOW_RATE_LIMIT":   {"60", "60/", "/1m", "0/1m", "-1/1m", "60/1", "60/1ms", "60/25h", "60/-1m", "many/1m", "2000000/1m", "None", " none"},
		"RELABEL_LOG_FORMAT":   {"JSON", "logfmt", " json"},
		"RELABEL_CALL_TIMEOUT": {"30", "999ms", "5m1s", "-30s", "soon"},
	} {
		for _, value := range values {
			_, err := config.Read(lookupIn(map[string]string{name: value}))
			require.ErrorContains(t, err, name, "%q", value)
			require.ErrorContains(t, err, value)
		}
	}
}

func TestDatabasePasswordFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("p@ss:w/ rd%\\'+?#\n"), 0o600))
	read := func(database, file string) (string, error) {
		cfg, err := config.Read(lookupIn(map[string]string{"DATABASE_URL": database, "DATABASE_PASSWORD_FILE": file}))
		return cfg.DatabaseURL, err
	}
	got, err := read("postgres://relabel@db:5432/names?sslmode=disable", file)
	require.NoError(t, err)
	parsed, err := pgconn.ParseConfig(got)
	require.NoError(t, err)
	require.Equal(t, `p@ss:w/ rd%\'+?#`, parsed.Password)
	require.Equal(t, "relabel db 5432 names", fmt.Sprint(parsed.User, " ", parsed.Host, " ", parsed.Port, " ", parsed.Database))

	got, err = read("postgres://relabel@one:5432,two:5433/names?target_session_attrs=read-write", file)
	require.NoError(t, err)
	parsed, err = pgconn.ParseConfig(got)
	require.NoError(t, err)
	last := parsed.Fallbacks[len(parsed.Fallbacks)-1]
	require.Equal(t, `one 5432 two 5433 p@ss:w/ rd%\'+?#`, fmt.Sprint(parsed.Host, " ", parsed.Port, " ", last.Host, " ", last.Port, " ", parsed.Password))

	for database, want := range map[string]string{
		"postgres://relabel:secret@db/names": "holds a password too",
		"host=db password=secret":            "must look like",
		"postgres:///names":                  "must look like",
		"":                                   "must look like",
	} {
		_, err := read(database, file)
		require.ErrorContains(t, err, "DATABASE_PASSWORD_FILE: ", database)
		require.ErrorContains(t, err, want, database)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err = read("postgres://relabel@db/names", file+"-missing")
	require.ErrorContains(t, err, "no such file")
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Rate{
		"":         {Calls: 60, Window: time.Minute},
		"learn":    {Calls: 60, Window: time.Minute},
		"learn/2s": {Calls: 60, Window: 2 * time.Second},
		"none":     {Window: time.Minute, Fixed: true},
		"60/1m":    {Calls: 60, Window: time.Minute, Fixed: true},
		"1/10ms":   {Calls: 1, Window: 10 * time.Millisecond, Fixed: true},
		"60/2s":    {Calls: 60, Window: 2 * time.Second, Fixed: true},
	} {
		got, err := config.ParseRate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	good, other, bad := file("good", token+"\n"), file("other", "the-other-token"), file("bad", "Bearer "+token)
	missing := filepath.Join(dir, "missing")
	type env = map[string]string
	for _, c := range []struct {
		name string
		env  env
		src  config.TokenSource
		want string   // the token
		errs []string // or parts of the error
	}{
		{name: "variable", env: env{"WEBFLOW_TOKEN": token}, want: token},
		{name: "file", env: env{"WEBFLOW_TOKEN_FILE": good}, want: token},
		{name: "variable before file", env: env{"WEBFLOW_TOKEN": token, "WEBFLOW_TOKEN_FILE": other}, want: token},
		{name: "empty variable, file", env: env{"WEBFLOW_TOKEN": "", "WEBFLOW_TOKEN_FILE": good}, want: token},
		{name: "the site's variable", env: env{"WEBFLOW_TOKEN": "not-this-token", "SHOP_WEBFLOW_TOKEN": token}, src: config.TokenSource{Env: "SHOP_WEBFLOW_TOKEN"}, want: token},
		{name: "the site's file", env: env{"WEBFLOW_TOKEN": "not-this-token", "RELABEL_TOKEN_DIRS": dir}, src: config.TokenSource{File: good}, want: token},
		{name: "nothing", errs: []string{"no Webflow token", "WEBFLOW_TOKEN, or WEBFLOW_TOKEN_FILE"}},
		{name: "the site's variable is not set", env: env{"WEBFLOW_TOKEN": token}, src: config.TokenSource{Env: "SHOP_WEBFLOW_TOKEN"}, errs: []string{"no Webflow token", "the variable SHOP_WEBFLOW_TOKEN is not set"}},
		{name: "the site's variable is empty", env: env{"SHOP_WEBFLOW_TOKEN": ""}, src: config.TokenSource{Env: "SHOP_WEBFLOW_TOKEN"}, errs: []string{"SHOP_WEBFLOW_TOKEN"}},
		{name: "no such file", env: env{"WEBFLOW_TOKEN_FILE": missing}, errs: []string{missing, "no such file"}},
		{name: "a folder", env: env{"WEBFLOW_TOKEN_FILE": dir}, errs: []string{dir}},
		{name: "not a token", env: env{"WEBFLOW_TOKEN": "Bearer " + token}, errs: []string{"WEBFLOW_TOKEN", "Bearer"}},
		{name: "not a token in the file", env: env{"WEBFLOW_TOKEN_FILE": bad}, errs: []string{bad, "Bearer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Read(lookupIn(c.env))
			require.NoError(t, err)
			got, err := cfg.Token(c.src)
			if len(c.errs) == 0 {
				require.NoError(t, err)
				require.Equal(t, "[redacted]", got.Redact(c.want), "another token")
				return
			}
			require.True(t, got.IsZero())
			for _, part := range c.errs {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), token)
		})
	}
}
