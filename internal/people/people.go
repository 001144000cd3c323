// Package people owns the file of the people who may use the dashboard: serve --users.
//
// The file has one line a person: name, role and the hash of a password, with colons
// between. Empty lines, and lines that begin with #, are ignored:
//
//	anna:change:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$…
//	ben@example.com:look:$2y$12$…
//	carla:look:
//
// Carla has no hash: she can't log in with a password, only through a proxy that names
// her (serve --trust-header).
//
//   - File holds the people. Open reads the file, and Refresh reads it again when it has
//     changed. Find looks a person up, and Check compares a password.
//   - Hash makes the hash of a password, and Line the line for the file.
//   - CheckName says what a name may be, in the file and in a proxy's header.
package people

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Role is what a person may do in the dashboard.
type Role string

// The roles. Change includes Look.
const (
	Look   Role = "look"
	Change Role = "change"
)

// CheckRole returns an error unless r is one of the roles.
func CheckRole(r Role) error {
	if r != Look && r != Change {
		return fmt.Errorf("the role %q is not one of look and change", r)
	}
	return nil
}

// maxName is the longest name in characters. An e-mail address fits, and so does a line
// of the log.
const maxName = 100

// Person is a line of the file.
type Person struct {
	Name string
	Role Role

	hash string // empty: no password
}

// HasPassword reports whether the person can log in with a password.
func (p Person) HasPassword() bool { return p.hash != "" }

// Same reports whether another reading of the file has the same person with the same
// password. The role may differ.
func (p Person) Same(other Person) bool { return p.Name == other.Name && p.hash == other.hash }

// CheckName returns an error unless a name can be in the file. A comma is refused because
// some proxies join several headers with one, and a brace because Caddy sends the name of
// its variable, {http.…}, for a header that is not there.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case !utf8.ValidString(name):
		return errors.New("the name is not valid UTF-8")
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("the name is longer than %d characters", maxName)
	case strings.TrimSpace(name) != name:
		return errors.New("the name begins or ends with a space")
	case strings.ContainsAny(name, ":,{}") || strings.HasPrefix(name, "#"):
		return errors.New("the name has a colon, a comma or a brace, or begins with #")
	case strings.ContainsFunc(name, hidden):
		return errors.New("the name has a control character or an invisible one")
	}
	return nil
}

// hidden reports characters that a reader of a page or a log doesn't see, so that two
// names would look the same. A usual space is fine.
func hidden(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r) }

// parse reads the lines of a file. An error names the line.
func parse(text string) (list []Person, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parseLine(line)
		if err == nil {
			err = checkUnique(list, p)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// parseLine never repeats the hash in an error: it may end in a log.
func parseLine(line string) (Person, error) {
	parts := strings.Split(line, ":")
	if len(parts) != 3 {
		return Person{}, errors.New("a line has the form NAME:ROLE:HASH; `relabel user hash NAME` prints one")
	}
	p := Person{Name: parts[0], Role: Role(parts[1]), hash: parts[2]}
	err := CheckName(p.Name)
	if err == nil {
		err = CheckRole(p.Role)
	}
	if err == nil && p.hash != "" {
		_, err = parseHash(p.hash)
	}
	return p, err
}

// checkUnique refuses names that differ only in upper and lower case: in the log they
// would look like one person.
func checkUnique(list []Person, p Person) error {
	at := slices.IndexFunc(list, func(other Person) bool { return strings.EqualFold(other.Name, p.Name) })
	if at < 0 {
		return nil
	}
	return fmt.Errorf("%s is in the file already, as %s", p.Name, list[at].Name)
}
