package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/config"
)

func read(t *testing.T, env map[string]string) config.Config {
	t.Helper()
	cfg, err := config.Read(lookupIn(env))
	require.NoError(t, err)
	return cfg
}

// The token goes to hosts that the environment names, whatever a site's row says.
func TestSiteURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api, hosts, stored string
		ok                 bool
	}{
		{stored: "https://api.webflow.com/v2", ok: true},
		{stored: "https://API.webflow.com:443/beta", ok: true},
		{stored: "https://api.webflow.com.evil.example/v2"},
		{stored: "https://api.webflow.com@evil.example/v2"},
		{stored: "https://evil.example/api.webflow.com"},
		{stored: "https://api.webflow.com:8443/v2"},
		{stored: "http://127.0.0.1:8080/v2"},
		{stored: "nonsense"},
		{stored: "://"},
		{api: "http://127.0.0.1:8080/v2", stored: "http://127.0.0.1:8080/v3", ok: true},
		{api: "http://127.0.0.1:8080/v2", stored: "https://api.webflow.com/v2"},
		{hosts: "one.example, two.example:8443", stored: "https://two.example:8443/v2", ok: true},
		{hosts: "one.example, two.example:8443", stored: "https://two.example/v2"},
	} {
		cfg := read(t, map[string]string{"WEBFLOW_API_URL": c.api, "RELABEL_API_HOSTS": c.hosts})
		got, err := cfg.SiteURL(c.stored)
		if c.ok {
			require.NoError(t, err, c.stored)
			require.Equal(t, c.stored, got)
			continue
		}
		require.ErrorIs(t, err, config.ErrNotAllowed, c.stored)
		require.ErrorContains(t, err, "set RELABEL_API_HOSTS=")
	}
	got, err := read(t, nil).SiteURL("")
	require.NoError(t, err)
	require.Equal(t, "https://api.webflow.com/v2", got)
}

// A site's row can't make another secret of the process its token.
func TestTokenVariable(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"RELABEL_NOTIFY_SECRET": token, "SHOP": token, "SHOP_WEBFLOW_TOKEN_2": token}
	cfg := read(t, secrets)
	for _, name := range []string{"RELABEL_NOTIFY_SECRET", "SHOP", "PATH", ""} {
		require.ErrorIs(t, cfg.AllowTokenEnv(name), config.ErrNotAllowed, name)
	}
	_, err := cfg.Token(config.TokenSource{Env: "RELABEL_NOTIFY_SECRET"})
	require.ErrorContains(t, err, "set RELABEL_TOKEN_ENV")
	require.NotContains(t, err.Error(), token)
	_, err = cfg.Token(config.TokenSource{Env: "SHOP_WEBFLOW_TOKEN_2"})
	require.NoError(t, err)

	secrets["RELABEL_TOKEN_ENV"] = "BLOG_*, SHOP"
	_, err = read(t, secrets).Token(config.TokenSource{Env: "SHOP"})
	require.NoError(t, err)
	require.ErrorIs(t, read(t, secrets).AllowTokenEnv("SHOP_WEBFLOW_TOKEN_2"), config.ErrNotAllowed)
}

func TestSourceVariable(t *testing.T) {
	t.Parallel()
	require.NoError(t, read(t, nil).AllowSourceEnv("RELABEL_SOURCE_URL"))
	require.NoError(t, read(t, nil).AllowSourceEnv("SHOP_SOURCE_URL"))
	require.ErrorContains(t, read(t, nil).AllowSourceEnv("DATABASE_URL"), "set RELABEL_SOURCE_ENV")
	require.NoError(t, read(t, map[string]string{"RELABEL_SOURCE_ENV": "NAMES_*"}).AllowSourceEnv("NAMES_URL"))
}

// A command gets the environment without what is relabel's own.
func TestCommandEnv(t *testing.T) {
	kept := []string{"PATH", "HOME", "AWS_SECRET_ACCESS_KEY", "PGUSER"}
	own := []string{
		"WEBFLOW_TOKEN", "WEBFLOW_TOKEN_FILE", "SHOP_WEBFLOW_TOKEN", "DATABASE_URL", "DATABASE_PASSWORD_FILE", "RELABEL_NOTIFY_SECRET",
		"RELABEL_SOURCE_URL", "SHOP_SOURCE_URL", "BLOG_KEY", "blog_key_2", "PGPASSWORD", "CREDENTIALS_DIRECTORY",
	}
	for _, name := range append(kept, own...) {
		t.Setenv(name, "geheim "+name)
	}
	cfg := read(t, map[string]string{"RELABEL_TOKEN_ENV": "BLOG_*,*WEBFLOW_TOKEN*"})
	env := cfg.CommandEnv()
	for _, name := range kept {
		require.Contains(t, env, name+"=geheim "+name)
	}
	for _, name := range own {
		require.NotContains(t, env, name+"=geheim "+name)
	}
}

// Files are read below the folders that are allowed, and no link leads out of them.
func TestFolders(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	in, out := filepath.Join(top, "in"), filepath.Join(top, "out")
	for _, dir := range []string{in, filepath.Join(in, "sub"), out, in + "side"} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	for _, file := range []string{"in/a", "in/sub/b", "out/secret", "inside/c"} {
		require.NoError(t, os.WriteFile(filepath.Join(top, file), []byte(file), 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(out, "secret"), filepath.Join(in, "leak")))
	require.NoError(t, os.Symlink(out, filepath.Join(in, "door")))
	require.NoError(t, os.Symlink(filepath.Join(in, "sub"), filepath.Join(in, "short")))
	require.NoError(t, os.Symlink(in, filepath.Join(top, "alias")))

	folders := read(t, map[string]string{"RELABEL_SOURCE_DIRS": in}).SourceDirs
	for _, name := range []string{"in/a", "in/sub/b", "in/short/b", "in/sub/../a", "alias/a"} {
		f, err := folders.Open(top + "/" + name)
		require.NoError(t, err, name)
		require.NoError(t, f.Close())
	}
	for _, name := range []string{"out/secret", "in/leak", "in/door/secret", "in/../out/secret", "inside/c", "in/door/none", "out/none"} {
		_, err := folders.Open(top + "/" + name)
		require.Error(t, err, name)
		if name != "in/door/none" { // os.Root refuses it
			require.ErrorIs(t, err, config.ErrNotAllowed, name)
			require.ErrorContains(t, err, "set RELABEL_SOURCE_DIRS")
		}
	}
	_, err := folders.Open(filepath.Join(in, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// By default a site's token file lies where secrets are put, and a source where the
// process was started, but never in the root folder.
func TestDefaultFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "shop")
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	_, err := read(t, nil).Token(config.TokenSource{File: file})
	require.ErrorContains(t, err, "set RELABEL_TOKEN_DIRS")
	for _, env := range []map[string]string{
		{"WEBFLOW_TOKEN_FILE": filepath.Join(dir, "token")}, {"CREDENTIALS_DIRECTORY": dir}, {"RELABEL_TOKEN_DIRS": dir},
	} {
		_, err := read(t, env).Token(config.TokenSource{File: file})
		require.NoError(t, err, env)
	}
	require.Equal(t, []string{"/run/secrets"}, read(t, map[string]string{"WEBFLOW_TOKEN_FILE": "/token"}).TokenDirs.Paths)

	here, err := os.Getwd()
	require.NoError(t, err)
	require.Equal(t, []string{here}, read(t, nil).SourceDirs.Paths)
}
