//go:build unix

package embedpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeBinaries makes a folder of programs that only say their version.
func fakeBinaries(t *testing.T, dir, version string) string {
	t.Helper()
	for _, program := range serverPrograms() {
		text := "#!/bin/sh\necho '" + program + " (PostgreSQL) " + version + "'\n"
		writeScript(t, filepath.Join(dir, program), text)
	}
	return dir
}

func newFinder(t *testing.T, s search) *finder {
	t.Helper()
	a, err := chooseAccount("", Config{}.logger())
	require.NoError(t, err)
	return &finder{search: s, cache: filepath.Join(openDir(t), "cache"), account: a}
}

func TestFindOnPath(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	old := fakeBinaries(t, filepath.Join(dir, "16", "bin"), "16.9")
	fakeBinaries(t, filepath.Join(dir, "17", "bin"), "17.5")
	links := filepath.Join(dir, "links")
	require.NoError(t, mkdirAll(links, 0o755))
	require.NoError(t, os.Symlink(filepath.Join(old, "postgres"), filepath.Join(links, "postgres")))

	f := newFinder(t, search{path: "relative::" + links, folders: []string{filepath.Join(dir, "*", "bin")}})
	b, _, err := f.find(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, binaries{dir: old, version: "16.9", major: 16, minor: 9}, b, "PATH comes before a newer one elsewhere")
	b, _, err = f.find(t.Context(), 17)
	require.NoError(t, err)
	require.Equal(t, 17, b.major, "but the data decides")
	b, others, err := f.find(t.Context(), 18)
	require.NoError(t, err)
	require.Empty(t, b.dir)
	require.NotEmpty(t, others)
}

func TestFindNewestInstalled(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	for _, version := range []string{"15.13", "15.9", "17.5", "9.6.24", "18beta1"} {
		fakeBinaries(t, filepath.Join(dir, version, "bin"), version)
	}
	half := fakeBinaries(t, filepath.Join(dir, "19", "bin"), "19.0")
	require.NoError(t, os.Remove(filepath.Join(half, "initdb")))
	f := newFinder(t, search{folders: []string{filepath.Join(dir, "*", "bin")}})
	for wanted, version := range map[int]string{0: "18beta1", 15: "15.13", 17: "17.5"} {
		b, _, err := f.find(t.Context(), wanted)
		require.NoError(t, err)
		require.Equal(t, version, b.version)
	}
	require.Contains(t, f.notes(), "PostgreSQL 9.6.24 is older than 15")
}

func TestFindByConfigAndCache(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	named := fakeBinaries(t, filepath.Join(dir, "named"), "17.1")
	path := filepath.Join(dir, "path")
	writeScript(t, filepath.Join(path, "pg_config"), "#!/bin/sh\n[ $1 = --bindir ] && echo "+named+"\n")
	f := newFinder(t, search{path: path})
	require.NoError(t, mkdirAll(f.cache, 0o755))
	fakeBinaries(t, filepath.Join(f.cache, "pg-18.3.0", "bin"), "18.3")
	fakeBinaries(t, filepath.Join(f.cache, "fetch-123", "unpacked", "bin"), "16.1")
	b, _, err := f.find(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, "17.1", b.version)
	b, _, err = f.find(t.Context(), 18)
	require.NoError(t, err)
	require.Equal(t, "18.3", b.version)
	b, _, err = f.find(t.Context(), 16)
	require.NoError(t, err)
	require.Empty(t, b.dir, "half-fetched binaries don't count")
}

func TestFindPassesOverBrokenOnes(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	broken := fakeBinaries(t, filepath.Join(dir, "a"), "17.1")
	writeScript(t, filepath.Join(broken, "postgres"), "#!/bin/sh\nexit 1\n")
	odd := fakeBinaries(t, filepath.Join(dir, "b"), "17.2")
	writeScript(t, filepath.Join(odd, "postgres"), "#!/bin/sh\necho hello\n")
	f := newFinder(t, search{path: broken + ":" + odd})
	b, others, err := f.find(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, b.dir)
	require.Empty(t, others)
	require.Contains(t, f.notes(), "exit status 1")
	require.Contains(t, f.notes(), "names no version")
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]binaries{
		"postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)": {version: "15.13", major: 15, minor: 13},
		"postgres (PostgreSQL) 18beta1":                        {version: "18beta1", major: 18},
		"postgres (PostgreSQL) 17.5 (Homebrew)":                {version: "17.5", major: 17, minor: 5},
	} {
		b, err := parseVersion(line)
		require.NoError(t, err)
		require.Equal(t, want, b)
	}
	_, err := parseVersion("postgres: command not found")
	require.Error(t, err)
}

func TestDefaultSearchFindsThisMachines(t *testing.T) {
	t.Parallel()
	b := realBinaries(t)
	require.True(t, hasPrograms(b.dir))
	require.False(t, strings.HasPrefix(b.dir, "/usr/local/bin"), "symlinks are followed")
	without := defaultSearch()
	without.path = ""
	f := newFinder(t, *without)
	again, _, err := f.find(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, b, again, "found without PATH too")
}
