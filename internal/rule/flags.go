package rule

import (
	"regexp"
	"strings"
)

// plainWord is a text that a shell takes as it is.
var plainWord = regexp.MustCompile(`^[0-9A-Za-z_./:,+%@-]+$`)

// Flags is the rule as the flags of `relabel rename`, quoted for a shell.
func (r Rule) Flags() string {
	var words []string
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				words = append(words, "--"+flag, quote(v))
			}
		}
	}
	is := func(flag string, set bool) {
		if set {
			words = append(words, "--"+flag)
		}
	}
	add("match", r.Names...)
	add("exclude", r.Exclude...)
	add("regex", r.Regex)
	is("ignore-case", r.IgnoreCase)
	add("folder", r.Folders...)
	add("type", r.Types...)
	is("missing-alt", r.MissingAlt)
	add("larger-than", r.LargerThan)
	add("created-after", r.CreatedAfter)
	add("locale", r.Locale)
	for _, one := range r.Replacements {
		words = append(words, "--find", quote(one.Find), "--replace", quote(one.With))
	}
	add("template", r.Template)
	add("alt-template", r.AltTemplate)
	is("change-extension", r.ChangeExtension)
	is("skip-taken", r.SkipTaken)
	add("sort", r.Sort)
	return strings.Join(words, " ")
}

func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
