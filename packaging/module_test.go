package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripts/module-path changes everything that has the module's path: afterwards all packages and
// tests find what they import, the program builds with its version, and nothing has the old path.
func TestModulePath(t *testing.T) {
	const path = "github.com/you/relabel"
	dir := checkout(t)
	run(t, dir, "bash", "scripts/module-path", path)
	for _, module := range []string{".", "packaging"} {
		run(t, filepath.Join(dir, module), "go", "list", "-test", "-deps", "./...")
	}
	program := filepath.Join(dir, "relabel.test")
	run(t, dir, "go", "build", "-ldflags", "-X "+path+"/internal/cli.version=1.2.3", "-o", program, "./cmd/relabel")
	require.Equal(t, "relabel 1.2.3\n", run(t, dir, program, "version"))
	out := run(t, dir, "sh", "-c", `grep -rnE '(^|[^A-Za-z0-9_./-])relabel/(db|jobs|internal|migrations|cmd)\b|pkg: relabel' --include='*.go' --include=Dockerfile --include='.go*' --include=run --exclude=module_test.go . || true`)
	require.Empty(t, out)
}

// checkout is a copy of the files that belong to the repository.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range strings.Split(run(t, "..", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", file))
		if file == "" || os.IsNotExist(err) { // a file that was deleted and not yet committed
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), text, 0o600))
	}
	run(t, dir, "git", "init", "--quiet") // the script lists its files
	return dir
}
