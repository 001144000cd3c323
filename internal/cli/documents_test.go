package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documents are the Markdown files that people read, by path from the top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			found[path] = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
	require.NotEmpty(t, found)
	return found
}

// Links within the project lead to a file that is there, and to a heading of it.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]+)?\)`)
	texts := documents(t)
	for path, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := path
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1]))
				require.FileExists(t, target, "%s links to %s", path, m[1])
			}
			if m[2] != "" {
				require.Contains(t, anchors(texts[target]), m[2], "%s links to %s%s", path, m[1], m[2])
			}
		}
	}
}

// anchors are a text's headings, as GitHub makes links of them.
func anchors(text string) []string {
	var list []string
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(h[1]), "")
		list = append(list, "#"+strings.ReplaceAll(plain, " ", "-"))
	}
	return list
}

// The README's list of packages is complete.
func TestReadmeNamesPackages(t *testing.T) {
	t.Parallel()
	top := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	require.NoError(t, err)
	for _, pattern := range []string{"*/*.go", "*/*/*.go", "*/*/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(top, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, file := range files {
			dir, err := filepath.Rel(top, filepath.Dir(file))
			require.NoError(t, err)
			named := strings.Contains(string(readme), "`"+filepath.ToSlash(dir)+"`") // require.Contains would print all of it
			require.True(t, named, "the README does not name the package %s", dir)
		}
	}
}
