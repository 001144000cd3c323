package pg

import (
	"io/fs"
	"path"
	"strings"
)

// ReadStatements reads the files sql/NAME.sql and sql/fragments/NAME.sql, and returns
// their texts by name, with the fragments that they include in place.
func ReadStatements(files fs.FS) map[string]string {
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
