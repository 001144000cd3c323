package rule

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/gosimple/unidecode"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// filter changes the text of a template's field.
type filter func(string) string

// filters are the filters by name. A cases.Caser keeps a state, so each rule makes its
// own.
func filters() map[string]filter {
	return map[string]filter{
		"lower": cases.Lower(language.Und).String,
		"upper": cases.Upper(language.Und).String,
		"title": cases.Title(language.Und).String,
		"trim":  func(s string) string { return strings.TrimFunc(s, blank) },
		"ascii": func(s string) string { return strings.TrimSpace(unidecode.Unidecode(s)) }, // it ends some scripts with a space
		"slug":  slug,
		"words": words,
	}
}

func filterNames() string { return strings.Join(slices.Sorted(maps.Keys(filters())), ", ") }

// slug keeps lower-case letters and digits of ASCII, with - between words. An extension
// of the form .jpg keeps its dot.
func slug(s string) string {
	dot := ""
	if extensionOnly(s) {
		dot = "."
	}
	parts := strings.FieldsFunc(strings.ToLower(unidecode.Unidecode(s)), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return dot + strings.Join(parts, "-")
}

// words makes a text of a file name: the separators become single spaces.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || r == '+' || unicode.IsSpace(r)
	}), " ")
}
