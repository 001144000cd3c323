package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// template is a text with fields: {stem}, {n:03}, {stem|slug|upper}. {{ and }} are
// braces.
type template struct {
	parts []templatePart
}

// templatePart is a text, or a field with its format and its filters.
type templatePart struct {
	text    string
	field   string // empty: text
	layout  string // of date: Go's
	digits  int    // of n
	filters []filter
}

// values are what the fields of a template become for one asset.
type values struct {
	stem, extension string
	n               int64
	asset           *Asset
}

// fields are the names of a template's fields.
func fields() []string {
	return []string{"stem", "ext", "n", "folder", "original", "date", "id", "size"}
}

func compileTemplate(setting, text string) (*template, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // the rule has no template
	}
	if err := checkText(setting, text); err != nil {
		return nil, err
	}
	t, known := &template{}, filters()
	for at := 0; at < len(text); {
		part, size, problem := templatePartAt(text[at:], known)
		if problem != "" {
			return nil, wrongAt(setting, text, at, "%s", problem)
		}
		t.parts = append(t.parts, part)
		at += size
	}
	return t, nil
}

// templatePartAt reads the first part of a text.
func templatePartAt(text string, known map[string]filter) (part templatePart, size int, problem string) {
	end := strings.IndexAny(text, "{}")
	switch {
	case end < 0:
		return templatePart{text: text}, len(text), ""
	case end > 0:
		return templatePart{text: text[:end]}, end, ""
	case strings.HasPrefix(text, "{{"), strings.HasPrefix(text, "}}"):
		return templatePart{text: text[:1]}, 2, ""
	case text[0] == '}':
		return part, 0, "the } has no { before it: write }} for a brace in the name"
	}
	end = strings.IndexByte(text, '}')
	if end < 0 {
		return part, 0, "the { has no } after it: write {{ for a brace in the name"
	}
	part, problem = parseField(text[1:end], known)
	return part, end + 1, problem
}

// parseField reads what is between braces: a field, perhaps a format, filters.
func parseField(text string, known map[string]filter) (part templatePart, problem string) {
	names := strings.Split(text, "|")
	field, format, formatted := strings.Cut(strings.TrimSpace(names[0]), ":")
	if !slices.Contains(fields(), field) {
		return part, fmt.Sprintf("there is no field {%s}: the fields are %s", field, strings.Join(fields(), ", "))
	}
	part = templatePart{field: field, digits: 1, layout: time.DateOnly}
	if formatted {
		if problem = part.setFormat(format); problem != "" {
			return part, problem
		}
	}
	for _, name := range names[1:] {
		f := known[strings.TrimSpace(name)]
		if f == nil {
			return part, fmt.Sprintf("there is no filter %q: the filters are %s", strings.TrimSpace(name), filterNames())
		}
		part.filters = append(part.filters, f)
	}
	return part, ""
}

// maxDigits is as many as the largest number has.
const maxDigits = 18

func (p *templatePart) setFormat(format string) (problem string) {
	switch p.field {
	case "n":
		digits, err := strconv.Atoi(format)
		if err != nil || digits < 1 || digits > maxDigits || len(format) > 2 {
			return fmt.Sprintf("{n:%s} is not a number of digits: {n:03} means 001, 002", format)
		}
		p.digits = digits
	case "date":
		layout := strings.NewReplacer("YYYY", "2006", "YY", "06", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05").Replace(format)
		if strings.ContainsAny(strings.NewReplacer("YYYY", "", "YY", "", "MM", "", "DD", "", "hh", "", "mm", "", "ss", "").Replace(format),
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") || format == "" {
			return fmt.Sprintf("{date:%s} is not a format: it takes YYYY, YY, MM, DD, hh, mm and ss, such as {date:YYYY-MM-DD}", format)
		}
		p.layout = layout
	default:
		return fmt.Sprintf("{%s} takes no format: {n:03} and {date:YYYY-MM} do", p.field)
	}
	return ""
}

// uses reports whether the template has a field. A nil template has none.
func (t *template) uses(field string) bool {
	return t != nil && slices.ContainsFunc(t.parts, func(p templatePart) bool { return p.field == field })
}

// end is the text after the last field.
func (t *template) end() string {
	if len(t.parts) == 0 {
		return ""
	}
	return t.parts[len(t.parts)-1].text
}

func (t *template) text(v values) string {
	var b strings.Builder
	for _, p := range t.parts {
		s := p.value(v)
		for _, f := range p.filters {
			s = f(s)
		}
		b.WriteString(s)
		if b.Len() > maxAlt {
			break // too long for any text: whyNot refuses it
		}
	}
	return b.String()
}

func (p *templatePart) value(v values) string {
	switch p.field {
	case "stem":
		return v.stem
	case "ext":
		return v.extension
	case "n":
		return fmt.Sprintf("%0*d", p.digits, v.n)
	case "folder":
		return v.asset.Folder[strings.LastIndexByte(v.asset.Folder, '/')+1:]
	case "original":
		stem, _ := split(v.asset.Original)
		return stem
	case "date":
		if v.asset.Created.IsZero() {
			return ""
		}
		return v.asset.Created.UTC().Format(p.layout)
	case "id":
		return v.asset.ID
	case "size":
		return strconv.FormatInt(v.asset.Size, 10)
	}
	return p.text
}
