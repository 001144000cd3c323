package rule

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// compileGlob makes a regular expression of a pattern: * is any text, ? one character,
// [a-z] one of these, [!a-z] none of these, and \ takes the next character literally.
func compileGlob(setting, glob string, ignoreCase bool) (*regexp.Regexp, error) {
	if err := checkText(setting, glob); err != nil {
		return nil, err
	}
	if glob == "" {
		return nil, wrong(setting, "the pattern is empty: * means all names")
	}
	glob = norm.NFC.String(glob)
	expression, err := globExpression(setting, glob)
	if err != nil {
		return nil, err
	}
	flags := "(?s)"
	if ignoreCase {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + "^(?:" + expression + ")$")
	if err != nil { // a range such as z-a
		return nil, wrong(setting, "%q is not a pattern: look at what is between [ and ]", glob)
	}
	return re, nil
}

func globExpression(setting, glob string) (string, error) {
	var b strings.Builder
	for at := 0; at < len(glob); {
		size := 1
		switch glob[at] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := strings.IndexByte(glob[at+1:], ']')
			if end < 1 {
				return "", wrongAt(setting, glob, at, "[ has no ] after it: write \\[ for a bracket in the name")
			}
			b.WriteString(globSet(glob[at+1 : at+1+end]))
			size = end + 2
		case '\\':
			if at+1 == len(glob) {
				return "", wrongAt(setting, glob, at, "nothing follows the \\: write \\\\ for a backslash")
			}
			_, next := utf8.DecodeRuneInString(glob[at+1:])
			b.WriteString(regexp.QuoteMeta(glob[at+1 : at+1+next]))
			size += next
		default:
			_, size = utf8.DecodeRuneInString(glob[at:])
			b.WriteString(regexp.QuoteMeta(glob[at : at+size]))
		}
		at += size
	}
	return b.String(), nil
}

// globSet makes a class of characters. Only - keeps its meaning between them.
func globSet(set string) string {
	not := ""
	if rest, ok := strings.CutPrefix(set, "!"); ok && rest != "" {
		not, set = "^", rest
	}
	return "[" + not + strings.NewReplacer(`\`, `\\`, "[", `\[`, "^", `\^`, "&", `\&`).Replace(set) + "]"
}
