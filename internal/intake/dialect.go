package intake

import (
	"fmt"
	"slices"
	"strings"
)

// dialect is how a database writes SQL, as far as is needed to see that a text is one SELECT.
//
// It is the first of several guards, and for SQL Server the most important one: that has no read-only transaction, and
// takes several statements without a semicolon between them.
type dialect struct {
	brackets  bool     // [a name]
	backslash bool     // 'it\'s', and # begins a comment
	nested    bool     // comments can be within comments
	starts    []string // the words that a reading query begins with
	refused   []string // words that no reading query has outside of quotes
}

const severalStatements = refusal("the query was refused: it holds several statements; give one SELECT and nothing else")

// check refuses a query that is not one SELECT.
func (d dialect) check(query string) error {
	words := d.words(query)
	if len(words) == 0 || !slices.Contains(d.starts, words[0]) {
		return refusal(fmt.Sprintf("the query was refused: it does not begin with %s; give one SELECT and nothing else", strings.Join(d.starts, " or ")))
	}
	for _, word := range words {
		if slices.Contains(d.refused, word) {
			return refusal(fmt.Sprintf("the query was refused: it holds %s; relabel only reads: give a SELECT that changes nothing", word))
		}
	}
	if slices.Contains(words, ";") { // those at the end are cut off
		return severalStatements
	}
	return nil
}

// words returns the query's words in upper case, and its semicolons, without what is in quotes and comments.
func (d dialect) words(query string) (words []string) {
	for at := 0; at < len(query); {
		if end := d.skip(query, at); end > at {
			at = end
			continue
		}
		end := at
		for end < len(query) && wordByte(query[end]) {
			end++
		}
		if end > at {
			words = append(words, strings.ToUpper(query[at:end]))
		} else if end++; query[at] == ';' {
			words = append(words, ";")
		}
		at = end
	}
	return words
}

// wordByte counts @ and $ to the words, so that @set is not SET.
func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_@$", c) >= 0 || c >= 0x80
}

// skip returns the end of the comment or quoted text that begins at the index, or the index.
func (d dialect) skip(query string, at int) int {
	rest := query[at:]
	switch {
	case strings.HasPrefix(rest, "--"), d.backslash && rest[0] == '#':
		return at + before(rest, "\n")
	case d.backslash && (strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!")):
		return at + len("/*") // MySQL runs what is in it
	case strings.HasPrefix(rest, "/*"):
		return at + d.comment(rest)
	case rest[0] == '\'', rest[0] == '"', rest[0] == '`':
		return at + d.quoted(rest, rest[0])
	case rest[0] == '[' && d.brackets:
		return at + d.quoted(rest, ']')
	}
	return at
}

// before is the index of a text, or the length if it is not there.
func before(text, part string) int {
	if i := strings.Index(text, part); i >= 0 {
		return i
	}
	return len(text)
}

// comment returns the length of the comment that the text begins with.
func (d dialect) comment(text string) int {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch {
		case strings.HasPrefix(text[at:], "*/"):
			at++
			if depth--; depth == 0 {
				return at + 1
			}
		case strings.HasPrefix(text[at:], "/*"):
			at++
			if depth == 0 || d.nested {
				depth++
			}
		}
	}
	return len(text)
}

// quoted returns the length of the quoted text at the beginning. A doubled quote does not end it.
func (d dialect) quoted(text string, end byte) int {
	for at := 1; at < len(text); at++ {
		switch {
		case text[at] == '\\' && d.backslash && end != '`':
			at++
		case text[at] == end && at+1 < len(text) && text[at+1] == end:
			at++
		case text[at] == end:
			return at + 1
		}
	}
	return len(text)
}
