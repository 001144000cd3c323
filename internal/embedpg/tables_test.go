//go:build unix

package embedpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUserStateDir(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ goos, home, xdg, want string }{
		"linux":        {"linux", "/home/ann", "", "/home/ann/.local/state/relabel"},
		"xdg":          {"linux", "/home/ann", "/state", "/state/relabel"},
		"relative xdg": {"linux", "/home/ann", "state", "/home/ann/.local/state/relabel"},
		"xdg, no home": {"linux", "", "/state", "/state/relabel"},
		"macOS":        {"darwin", "/Users/ann", "/state", "/Users/ann/Library/Application Support/relabel"},
		"no home":      {"linux", "", "", ""},
		"macOS alone":  {"darwin", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := userStateDir(test.goos, test.home, test.xdg)
			require.Equal(t, test.want, dir)
			if test.want == "" {
				require.ErrorContains(t, err, "RELABEL_STATE_DIR")
			}
		})
	}
}

func TestDefaultStateDir(t *testing.T) {
	dir, err := defaultStateDir()
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(dir))
	require.Equal(t, "/var/lib/relabel", rootStateDir("linux"))
	require.Equal(t, "/Library/Application Support/relabel", rootStateDir("darwin"))
}

func TestParsePidFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want pidFile
		ok   bool
	}{
		"running":     {"17\n/data\n1700000000\n5432\n/run dir\n127.0.0.1\n  5 6\nready   \n", pidFile{17, 5432, "/run dir", "127.0.0.1", true}, true},
		"without TCP": {"17\n/data\n1700000000\n5432\n/run\n\n  5 6\nready   \n", pidFile{17, 5432, "/run", "", true}, true},
		"stopping":    {"17\n/data\n1700000000\n5432\n/run\n\n  5 6\nstopping\n", pidFile{17, 5432, "/run", "", false}, true},
		"begun":       {"17\n/data\n1700000000\n", pidFile{pid: 17}, true},
		"single user": {"-17\n/data\n", pidFile{}, false},
		"empty":       {"", pidFile{}, false},
		"nonsense":    {"seventeen\n", pidFile{}, false},
		"init":        {"1\n/data\n", pidFile{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ok := parsePidFile([]byte(test.text))
			require.Equal(t, test.ok, ok)
			require.Equal(t, test.want, p)
		})
	}
}

func TestSocketDir(t *testing.T) {
	t.Parallel()
	a := account{uid: 7}
	fits := "/" + strings.Repeat("x", maxSocketDir-len("//run"))
	require.Equal(t, fits+"/run", socketDir(layout(fits), a))
	long := socketDir(layout(fits+"x"), a)
	require.Regexp(t, `^/tmp/relabel-7-[0-9a-f]{16}$`, long)
	require.NotEqual(t, long, socketDir(layout(fits+"y"), a))
	require.Regexp(t, `^/tmp/relabel-7-`, socketDir("/a,b", a))
	require.Equal(t, "/Library/Application Support/relabel/run", socketDir("/Library/Application Support/relabel", a))
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	require.Equal(t, "there was no output", lastLines(" \n\n"))
	require.Equal(t, "b; c; d; e f", lastLines("a\nb\n c\n\nd\ne\tf\n"))
	require.LessOrEqual(t, len(lastLines(strings.Repeat("ü", lineMax))), lineMax+len("…"))
}

func TestOpenLogPutsALongOneAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log", "pg15.log")
	f, start, err := openLog(path)
	require.NoError(t, err)
	require.Zero(t, start)
	require.NoError(t, f.Truncate(logMax+1))
	require.NoError(t, f.Close())
	f, start, err = openLog(path)
	require.NoError(t, err)
	require.Zero(t, start)
	require.NoError(t, f.Close())
	require.FileExists(t, path+".old")
}

func TestSweepLeavesTheYoung(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	young, old := filepath.Join(dir, "x-young"), filepath.Join(dir, "x-old")
	require.NoError(t, os.Mkdir(young, 0o700))
	require.NoError(t, os.Mkdir(old, 0o700))
	past := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(old, past, past))
	removeLeftovers(filepath.Join(dir, "x-*"), time.Hour)
	require.DirExists(t, young)
	require.NoDirExists(t, old)
}

func TestPsqlEnv(t *testing.T) {
	t.Parallel()
	env, err := psqlEnv([]string{"TERM=xterm", "PGPASSWORD=mine", "PGSERVICE=other", "WEBFLOW_TOKEN=t", "DATABASE_URL=d", "SHOP_TOKEN=s", "PAGER=less", "LC_ALL=C"},
		"postgres://relabel:p%40ss@/postgres?host=%2Frun%20dir&port=5432")
	require.NoError(t, err)
	require.Equal(t, []string{"TERM=xterm", "PAGER=less", "LC_ALL=C", "PGHOST=/run dir", "PGPORT=5432", "PGUSER=relabel", "PGPASSWORD=p@ss", "PGDATABASE=postgres"}, env)
}
