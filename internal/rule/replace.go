package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// replacement is a compiled Replacement.
type replacement struct {
	find  *regexp.Regexp
	parts []replacePart
}

// replacePart is a text, or a group of the expression.
type replacePart struct {
	text  string
	group int // -1: text
}

func compileReplacement(r Replacement, ignoreCase bool) (replacement, error) {
	if r.Find == "" {
		return replacement{}, wrong("find", "the regular expression is empty: ^ means the beginning of the name, $ its end")
	}
	re, err := compileRegex("find", r.Find, ignoreCase)
	if err != nil {
		return replacement{}, err
	}
	if err := checkText("replace", r.With); err != nil {
		return replacement{}, err
	}
	out := replacement{find: re}
	for at := 0; at < len(r.With); {
		part, size, problem := replacePartAt(r.With[at:], re)
		if problem != "" {
			return replacement{}, wrongAt("replace", r.With, at, "%s", problem)
		}
		out.parts = append(out.parts, part)
		at += size
	}
	return out, nil
}

// replacePartAt reads the first part of a text. Unlike Go's own expansion, $1_x is the
// group 1 and "_x", as people mean it, and a group that does not exist is a problem.
func replacePartAt(text string, re *regexp.Regexp) (part replacePart, size int, problem string) {
	end := strings.IndexByte(text, '$')
	switch {
	case end < 0:
		return replacePart{text, -1}, len(text), ""
	case end > 0:
		return replacePart{text[:end], -1}, end, ""
	case strings.HasPrefix(text, "$$"):
		return replacePart{"$", -1}, 2, ""
	}
	name, size := groupName(text)
	group, err := strconv.Atoi(name)
	if err != nil {
		group = re.SubexpIndex(name)
	}
	switch {
	case name == "":
		return part, 0, "after $ comes the number of a group, such as $1: write $$ for a dollar sign"
	case group < 0 || group > re.NumSubexp():
		return part, 0, fmt.Sprintf("--find has no group %s, it has %d: a digit behind a group is written ${1}0", name, re.NumSubexp())
	}
	return replacePart{group: group}, size, ""
}

// groupName reads $12 or ${name}; the name is empty if it is neither.
func groupName(text string) (name string, size int) {
	if strings.HasPrefix(text, "${") {
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return "", 0
		}
		return text[2:end], end + 1
	}
	end := 1
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	return text[1:end], end
}

func (r replacement) apply(text string) string {
	found := r.find.FindAllStringSubmatchIndex(text, -1)
	if found == nil {
		return text
	}
	var b strings.Builder
	done := 0
	for _, at := range found {
		b.WriteString(text[done:at[0]])
		for _, p := range r.parts {
			switch {
			case p.group < 0:
				b.WriteString(p.text)
			case at[2*p.group] >= 0:
				b.WriteString(text[at[2*p.group]:at[2*p.group+1]])
			}
		}
		done = at[1]
		if b.Len() > maxAlt {
			return b.String() // too long for any text: whyNot refuses it
		}
	}
	b.WriteString(text[done:])
	return b.String()
}
