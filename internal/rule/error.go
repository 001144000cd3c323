package rule

import (
	"fmt"
	"unicode/utf8"
)

// Error is a part of a rule that can't be used.
type Error struct {
	Setting  string // the name of the flag, without the dashes: template
	Position int    // the character with the problem, from 1; 0: the setting as a whole
	Problem  string
}

func (e *Error) Error() string {
	if e.Position == 0 {
		return fmt.Sprintf("%s: %s", e.Setting, e.Problem)
	}
	return fmt.Sprintf("%s: character %d: %s", e.Setting, e.Position, e.Problem)
}

// wrongAt makes an Error at a byte of the setting's text.
func wrongAt(setting, text string, at int, problem string, args ...any) error {
	return &Error{Setting: setting, Position: utf8.RuneCountInString(text[:at]) + 1, Problem: fmt.Sprintf(problem, args...)}
}

func wrong(setting, problem string, args ...any) error {
	return &Error{Setting: setting, Problem: fmt.Sprintf(problem, args...)}
}
