package rule

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// matcher is a compiled Match.
type matcher struct {
	names, exclude, types []*regexp.Regexp
	regex                 *regexp.Regexp
	folders               []string
	missingAlt            bool
	sized                 bool
	largerThan            int64
	createdAfter          time.Time
}

func (m Match) compile() (out matcher, err error) {
	out = matcher{missingAlt: m.MissingAlt}
	if out.names, err = compileGlobs("match", m.Names, m.IgnoreCase); err != nil {
		return out, err
	}
	if out.exclude, err = compileGlobs("exclude", m.Exclude, m.IgnoreCase); err != nil {
		return out, err
	}
	if out.types, err = compileTypes(m.Types); err != nil {
		return out, err
	}
	if m.Regex != "" {
		if out.regex, err = compileRegex("regex", m.Regex, m.IgnoreCase); err != nil {
			return out, err
		}
	}
	for _, f := range m.Folders {
		if f = CleanFolder(f); f == "" {
			return out, wrong("folder", "the folder is empty: leave it out for all folders")
		}
		out.folders = append(out.folders, f)
	}
	if m.LargerThan != "" {
		out.sized = true
		if out.largerThan, err = parseSize(m.LargerThan); err != nil {
			return out, err
		}
	}
	if m.CreatedAfter != "" {
		out.createdAfter, err = parseDate(m.CreatedAfter)
	}
	return out, err
}

// CleanFolder is a folder's path without the slashes around it.
func CleanFolder(path string) string { return norm.NFC.String(strings.Trim(path, "/ ")) }

func compileGlobs(setting string, globs []string, ignoreCase bool) (out []*regexp.Regexp, err error) {
	for _, g := range globs {
		re, err := compileGlob(setting, g, ignoreCase)
		if err != nil {
			return nil, err
		}
		out = append(out, re)
	}
	return out, nil
}

func compileTypes(types []string) ([]*regexp.Regexp, error) {
	for _, t := range types {
		if !strings.Contains(t, "/") {
			return nil, wrong("type", "%q is not a type such as image/png or image/*", t)
		}
	}
	return compileGlobs("type", types, true)
}

func (m *matcher) matches(a *Asset) bool {
	name := norm.NFC.String(a.Name)
	switch {
	case a.Other,
		len(m.names) > 0 && !matchesAny(m.names, name),
		matchesAny(m.exclude, name),
		m.regex != nil && !m.regex.MatchString(name),
		len(m.types) > 0 && !matchesAny(m.types, a.Type),
		len(m.folders) > 0 && !m.inFolder(norm.NFC.String(a.Folder)),
		m.missingAlt && a.Alt != "",
		m.sized && a.Size <= m.largerThan,
		!m.createdAfter.IsZero() && !a.Created.After(m.createdAfter):
		return false
	}
	return true
}

func matchesAny(list []*regexp.Regexp, text string) bool {
	return slices.ContainsFunc(list, func(re *regexp.Regexp) bool { return re.MatchString(text) })
}

func (m *matcher) inFolder(path string) bool {
	return slices.ContainsFunc(m.folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}
