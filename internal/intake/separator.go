package intake

import (
	"errors"
	"fmt"
	"strings"
)

// separators are those looked for, the likelier first.
const separators = ",;\t|"

// candidate is a header row read with one of the separators.
type candidate struct {
	names []string
	known int // how many of the names mean something to us
	stray bool
}

func readNames(raw string, sep byte, mapped map[column]string) candidate {
	names, bad := split(nil, raw, sep, true)
	c := candidate{stray: bad >= 0}
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

// better prefers the separator that makes sense of more columns, then one that leaves no quote astray, then the one that is there.
func (c candidate) better(than candidate) bool {
	if c.known != than.known {
		return c.known > than.known
	}
	if c.stray != than.stray {
		return than.stray
	}
	return len(c.names) > len(than.names)
}

// readHeader finds the separator and the header row. A first line sep=; as Excel writes it settles the separator.
func readHeader(r *records, mapped map[column]string, encoding string) (header, error) {
	if err := skipBlank(r); err != nil {
		return header{}, err
	}
	choices := separators
	if sep, ok, err := declaredSeparator(r); err != nil {
		return header{}, err
	} else if ok {
		choices = sep
	}
	best, err := chooseSeparator(r, choices, mapped)
	if err != nil {
		return header{}, err
	}
	rec, err := r.next()
	if err != nil {
		return header{}, err
	}
	if i := invalidUTF8(rec.raw); i >= 0 {
		_, message := badByte(rec, i, encoding)
		return header{}, errors.New(message)
	}
	if best.stray {
		return header{}, fmt.Errorf("line %d: a quote stands inside a cell of the header: quote the whole cell and double the quote", rec.line)
	}
	return resolveHeader(rec.line, best.names, mapped)
}

// chooseSeparator reads the header with each separator, as quotes can only be understood knowing it.
func chooseSeparator(r *records, choices string, mapped map[column]string) (candidate, error) {
	var best candidate
	var chosen byte
	var failed error
	for i := range len(choices) {
		r.sep = choices[i]
		s, err := r.peek()
		if err != nil {
			if failed == nil {
				failed = err // the others say the same of the same line
			}
			continue
		}
		c := readNames(s.raw, r.sep, mapped)
		if chosen == 0 || c.better(best) {
			best, chosen = c, r.sep
		}
	}
	if chosen == 0 {
		return best, failed
	}
	r.sep = chosen
	return best, nil
}

// skipBlank goes to the next line that holds more than spaces.
func skipBlank(r *records) error {
	for {
		s, err := r.peek()
		if err != nil || trim(s.raw) != "" {
			return err
		}
		r.advance(s)
	}
}

// declaredSeparator reads the line sep=; that may stand before the header.
func declaredSeparator(r *records) (sep string, ok bool, err error) {
	s, err := r.peek()
	if err != nil {
		return "", false, err
	}
	raw := strings.Trim(s.raw, `"`)
	if len(raw) != 5 || !strings.EqualFold(raw[:4], "sep=") || !strings.Contains(separators, raw[4:]) {
		return "", false, nil
	}
	_, err = r.next()
	return raw[4:], true, err
}
