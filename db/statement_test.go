package db

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every file is used, by Go code or as a fragment, and every name in use has a file.
func TestStatements(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	collect := func(text, pattern string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
			require.NotEmpty(t, statement(m[1]), "there is no sql/%s.sql", m[1])
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
	files := map[string]bool{}
	require.NoError(t, fs.WalkDir(sqlFiles, "sql", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(sqlFiles, name)
		require.NoError(t, err)
		collect(string(text), `(?m)^\s*-- include: (\w+)$`)
		base := strings.TrimSuffix(path.Base(name), ".sql")
		require.False(t, files[base], "two files are named %s", base)
		files[base] = true
		return nil
	}))
	require.Equal(t, files, used)
}
