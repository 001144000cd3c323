package rule

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// program is a compiled Rule. It is not safe for concurrent use, as filters keep a state.
type program struct {
	Rule

	matcher      matcher
	replacements []replacement
	template     *template
	alt          *template
}

func (r Rule) compile() (*program, error) {
	p := &program{Rule: r}
	var err error
	if p.matcher, err = r.Match.compile(); err != nil {
		return nil, err
	}
	for _, one := range r.Replacements {
		compiled, err := compileReplacement(one, r.IgnoreCase)
		if err != nil {
			return nil, err
		}
		p.replacements = append(p.replacements, compiled)
	}
	if p.template, err = compileTemplate("template", r.Template); err != nil {
		return nil, err
	}
	if p.alt, err = compileTemplate("alt-template", r.AltTemplate); err != nil {
		return nil, err
	}
	return p, p.check()
}

// check finds parts that don't fit together.
func (p *program) check() error {
	switch {
	case len(p.replacements) == 0 && p.template == nil && p.alt == nil:
		return wrong("template", "the rule changes nothing: give --find with --replace, --template or --alt-template")
	case p.Sort != "" && p.Sort != SortName && p.Sort != SortCreated:
		return wrong("sort", "%q is neither %s nor %s", p.Sort, SortName, SortCreated)
	case p.SkipTaken && !p.template.uses("n"):
		return wrong("skip-taken", "the template has no {n} whose numbers could be left out")
	}
	if p.template == nil || p.ChangeExtension {
		return nil
	}
	end := p.template.end()
	if _, extension := split("x" + end); slices.Contains(fileExtensions(), strings.ToLower(extension)) {
		return wrongAt("template", p.Template, len(p.Template)-len(extension),
			"%s would be the extension of every asset, whatever the file is: end the template with {ext}, or give --change-extension", extension)
	}
	return nil
}

// fileExtensions are the extensions of the files that Webflow takes.
func fileExtensions() []string {
	return []string{
		".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp", ".ico", ".heic", ".tif", ".tiff", ".mp4", ".webm", ".mov", ".mp3",
		".wav", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".csv", ".txt", ".ppt", ".pptx", ".odt", ".ods", ".odp", ".json", ".zip", ".woff", ".woff2",
	}
}

// newTexts are the texts that an asset gets as the n-th one, before they are checked.
func (p *program) newTexts(a *Asset, n int64) (name, alt string) {
	v := p.valuesOf(a, n)
	name = v.stem + v.extension
	if p.template != nil {
		name = p.template.text(v)
		if !p.ChangeExtension {
			name = keepExtension(name, v.extension)
		}
	}
	if p.alt != nil {
		alt = p.alt.text(v)
	}
	return norm.NFC.String(name), norm.NFC.String(alt)
}

// valuesOf cuts the name and makes the replacements.
func (p *program) valuesOf(a *Asset, n int64) values {
	v := values{n: n, asset: a}
	v.stem, v.extension = split(norm.NFC.String(a.Name))
	if p.ChangeExtension {
		v.stem, v.extension = v.stem+v.extension, ""
	}
	for _, r := range p.replacements {
		v.stem = r.apply(v.stem)
	}
	if p.ChangeExtension {
		v.stem, v.extension = split(v.stem)
	}
	return v
}

// strip drops what the rule does not need, as a million assets may match.
func (p *program) strip(a Asset) Asset {
	uses := func(field string) bool { return p.template.uses(field) || p.alt.uses(field) }
	if !uses("original") {
		a.Original = ""
	}
	if !uses("folder") {
		a.Folder = ""
	}
	if p.alt == nil {
		a.Alt = ""
	}
	a.Type = ""
	return a
}
