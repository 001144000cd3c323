package intake

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// separators are those that are tried, the most likely one first.
const separators = ",;\t|"

// candidate is a header row as it reads with one of the separators.
type candidate struct {
	record
	sep   byte
	names []string
	known int // how many of the names mean something to us
	stray int // 1 for a quote where none may be, else 0
}

// readHeader finds the separator and the header row. A first line sep=; as Excel writes it decides the separator.
func readHeader(r *records, mapped map[column]string, encoding string) (header, error) {
	if err := skipBlank(r); err != nil {
		return header{}, err
	}
	choices, err := declaredSeparator(r)
	if err != nil {
		return header{}, err
	}
	best, err := chooseSeparator(r, choices, mapped)
	if err != nil {
		return header{}, err
	}
	r.sep = best.sep
	r.advance(best.record)
	if i := invalidUTF8(best.raw); i >= 0 {
		_, message := badByte(best.record, i, encoding)
		return header{}, errors.New(message)
	}
	if best.stray > 0 {
		return header{}, fmt.Errorf("line %d: there is a quote inside a cell of the header: quote the whole cell and double the quote", best.line)
	}
	return resolveHeader(best.names, mapped)
}

// skipBlank goes to the next line that holds more than spaces.
func skipBlank(r *records) error {
	for {
		rec, err := r.peek()
		if err != nil || trim(rec.raw) != "" {
			return err
		}
		r.advance(rec)
	}
}

// declaredSeparator reads the line sep=; if there is one, and returns the separators to try.
func declaredSeparator(r *records) (string, error) {
	rec, err := r.peek()
	line := strings.Trim(rec.raw, `"`)
	if err != nil || len(line) != len("sep=;") || !strings.EqualFold(line[:4], "sep=") || !strings.Contains(separators, line[4:]) {
		return separators, err
	}
	r.advance(rec)
	r.sep = line[4]
	return line[4:], skipBlank(r)
}

// chooseSeparator reads the header with each separator, since only with the separator known do quotes have a meaning. It
// prefers the one that makes sense of most columns, then one without stray quotes, then the one that makes most cells.
func chooseSeparator(r *records, choices string, mapped map[column]string) (candidate, error) {
	var all []candidate
	var failed error
	for i := range len(choices) {
		r.sep = choices[i]
		rec, err := r.peek()
		if err != nil {
			failed = cmp.Or(failed, err) // the others say the same of the same line
			continue
		}
		all = append(all, newCandidate(rec, r.sep, mapped))
	}
	if len(all) == 0 {
		return candidate{}, failed
	}
	return slices.MaxFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.known, b.known), cmp.Compare(b.stray, a.stray), cmp.Compare(len(a.names), len(b.names)))
	}), nil
}

func newCandidate(rec record, sep byte, mapped map[column]string) candidate {
	c := candidate{record: rec, sep: sep}
	names, stray := split(nil, rec.raw, sep, true)
	if stray >= 0 {
		c.stray = 1
	}
	for _, name := range names {
		name = trim(name)
		c.names = append(c.names, name)
		if columnNamed(name) != colNone || isMapped(mapped, name) {
			c.known++
		}
	}
	return c
}

func isMapped(mapped map[column]string, name string) bool {
	for _, want := range mapped {
		if strings.EqualFold(want, name) {
			return true
		}
	}
	return false
}
