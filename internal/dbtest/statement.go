package dbtest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/pg"
)

// RequireStatements checks the files of sql/ in the folder of the test: each is used, by
// Go code or as a fragment, and each name in use has a file.
func RequireStatements(t testing.TB) {
	t.Helper()
	files := os.DirFS(".")
	texts, used := pg.ReadStatements(files), map[string]bool{}
	collect := func(text, pattern string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
			require.NotEmpty(t, texts[m[1]], "there is no sql/%s.sql", m[1])
		}
	}
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		collect(string(text), `statement\("(\w+)"\)`)
	}
	found := map[string]bool{}
	require.NoError(t, fs.WalkDir(files, "sql", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		collect(string(text), `(?m)^\s*-- include: (\w+)$`)
		base := strings.TrimSuffix(path.Base(name), ".sql")
		require.False(t, found[base], "two files are named %s", base)
		found[base] = true
		return nil
	}))
	require.Equal(t, found, used)
}
