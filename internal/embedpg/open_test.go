//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, Config{StateDir: dir}) // with fsync, as users have it
	for name, want := range map[string]string{
		"fsync": "on", "data_checksums": "on", "listen_addresses": "", "password_encryption": "scram-sha-256",
		"server_encoding": "UTF8", "lc_messages": "C", "timezone": "UTC",
		"shared_buffers": "128MB", "max_connections": "100", "max_wal_size": "2GB", "wal_level": "minimal",
	} {
		require.Equal(t, want, query[string](t, s.URL(), "SHOW "+name), name)
	}
	require.Equal(t, "C", query[string](t, s.URL(), "SELECT datcollate FROM pg_database WHERE datname = current_database()"))
	require.Equal(t, query[string](t, s.URL(), "SELECT split_part(version(), ' ', 2)"), s.version)
	require.NotContains(t, fmt.Sprintf("%v %+v", s, s), password(t, s))

	execSQL(t, s.URL(), "CREATE TABLE kept (n int)")
	closeServer(t, s)
	require.NoError(t, s.Close(t.Context()), "a second Close does nothing")
	require.Zero(t, serverPID(t, dir))

	again := open(t, Config{StateDir: dir})
	require.Equal(t, 0, query[int](t, again.URL(), "SELECT count(*)::int FROM kept"))
	require.Equal(t, s.URL(), again.URL(), "a URL stays good over restarts")
}

func password(t *testing.T, s *Server) string {
	t.Helper()
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	pw, _ := u.User.Password()
	require.NotEmpty(t, pw)
	return pw
}

func TestOpenAsksForThePassword(t *testing.T) {
	t.Parallel()
	s := open(t, fastConfig(stateDir(t)))
	_, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), password(t, s), "guess", 1))
	require.ErrorContains(t, err, "28P01")
	_, err = pgx.Connect(t.Context(), strings.Replace(s.URL(), ":"+password(t, s), "", 1))
	require.Error(t, err)
}

func TestOpenFileModes(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	for path, want := range map[string]os.FileMode{
		s.in.data(s.major): 0o700, s.in.password(s.major): 0o600, filepath.Join(dir, "run"): 0o700,
		filepath.Join(dir, "locks"): 0o700, s.in.clients(): 0o600, filepath.Join(dir, "log"): 0o700, s.in.layout.log(s.major): 0o600,
	} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
	info, err := os.Stat(s.in.password(s.major))
	require.NoError(t, err)
	uid, _ := ownerOf(info)
	require.Equal(t, os.Geteuid(), uid)
}

func TestOpenInOddPlaces(t *testing.T) {
	t.Parallel()
	for name, sub := range map[string]string{
		"blank and plus":      "Application Support/re+label",
		"comma":               "a,b",
		"quotes and percent":  `q"u'o%20te`,
		"glob":                "[ab]*?",
		"too long for socket": strings.Repeat("long/", 30),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(openDir(t), sub)
			stopAtEnd(t, dir)
			s := open(t, fastConfig(dir))
			require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
			socket := socketDir(s.in.layout, s.in.account)
			info, err := os.Stat(socket)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
			closeServer(t, s)
			if filepath.Dir(socket) == "/tmp" {
				require.NoDirExists(t, socket, "/tmp is left tidy")
			}
			closeServer(t, open(t, fastConfig(dir)))
		})
	}
}

func TestOpenReportsTheLogInOneLine(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	cfg := Config{StateDir: dir, Settings: map[string]string{"fsync": "off", "shared_buffers": "plenty"}}
	_, err := Open(t.Context(), cfg)
	require.ErrorContains(t, err, `invalid value for parameter "shared_buffers": "plenty"`)
	require.ErrorContains(t, err, filepath.Join(dir, "log"))
	require.NotContains(t, err.Error(), "\n")
	closeServer(t, open(t, fastConfig(dir)))
}

func TestOpenRefusesSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"control character": {Config{Settings: map[string]string{"work_mem": "4MB\n"}}, "control character"},
		"odd name":          {Config{Settings: map[string]string{"work mem": "4MB"}}, "not a name"},
		"option in a name":  {Config{Settings: map[string]string{"-D": "x"}}, "not a name"},
		"our own":           {Config{Settings: map[string]string{"listen_addresses": "*"}}, "relabel's own"},
		"port":              {Config{Settings: map[string]string{"port": "5433"}}, "relabel's own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.cfg.StateDir = filepath.Join(openDir(t), "state")
			_, err := Open(t.Context(), test.cfg)
			require.ErrorContains(t, err, test.want)
			require.NoDirExists(t, test.cfg.StateDir)
		})
	}
}

func TestOpenCancelled(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"initdb", "postgres"} {
		t.Run("in "+program, func(t *testing.T) {
			t.Parallel()
			dir, flag := stateDir(t), filepath.Join(openDir(t), "flag")
			require.NoError(t, os.Mkdir(flag, 0o777))
			require.NoError(t, os.Chmod(flag, 0o777))
			script := fmt.Sprintf(`case "$1" in -D) echo $$ >%s/pid.new; mv %s/pid.new %s/pid; exec sleep 1000;; esac; exec REAL/%s "$@"`, flag, flag, flag, program)
			cfg := fastConfig(dir)
			cfg.search = &search{path: scripts(t, map[string]string{program: script})}
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { _, err := Open(ctx, cfg); result <- err }()
			eventually(t, "the script runs", func() bool { _, err := os.Stat(filepath.Join(flag, "pid")); return err == nil })
			cancel()
			require.ErrorIs(t, <-result, context.Canceled)

			var pid int
			text, err := os.ReadFile(filepath.Join(flag, "pid"))
			require.NoError(t, err)
			_, err = fmt.Sscan(string(text), &pid)
			require.NoError(t, err)
			require.False(t, alive(pid), "the started process is gone")
			left, err := filepath.Glob(filepath.Join(dir, "init-*"))
			require.NoError(t, err)
			require.Empty(t, left)
			closeServer(t, open(t, fastConfig(dir)))
		})
	}
}
