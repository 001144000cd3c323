package db

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed sql
var sqlFiles embed.FS

// statements are the files of sql/ by name, with their fragments in place.
var statements = readStatements(sqlFiles) //nolint:gochecknoglobals // never changes: text that is part of the program

// statement returns the text of sql/NAME.sql or sql/fragments/NAME.sql. TestStatements
// checks that each name in use has a file.
func statement(name string) string { return statements[name] }

func readStatements(files fs.FS) map[string]string {
	raw := map[string]string{}
	for _, pattern := range []string{"sql/*.sql", "sql/fragments/*.sql"} {
		names, _ := fs.Glob(files, pattern) // both patterns are well formed
		for _, name := range names {
			text, _ := fs.ReadFile(files, name) // it is embedded
			raw[strings.TrimSuffix(path.Base(name), ".sql")] = string(text)
		}
	}
	out := make(map[string]string, len(raw))
	for name := range raw {
		out[name] = expand(raw, name)
	}
	return out
}

// expand replaces each line "-- include: NAME" by that fragment, and drops the other
// comment lines: pgx reads the text of a statement each time it is sent.
func expand(raw map[string]string, name string) string {
	var b strings.Builder
	for line := range strings.Lines(raw[name]) {
		text := strings.TrimSpace(line)
		fragment, included := strings.CutPrefix(text, "-- include: ")
		switch {
		case included:
			b.WriteString(expand(raw, fragment))
		case !strings.HasPrefix(text, "--"):
			b.WriteString(line)
		}
	}
	return b.String()
}
