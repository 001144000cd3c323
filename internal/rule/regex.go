package rule

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// compileRegex compiles an expression of the user's. Its error says where it is wrong.
func compileRegex(setting, expression string, ignoreCase bool) (*regexp.Regexp, error) {
	if err := checkText(setting, expression); err != nil {
		return nil, err
	}
	expression = norm.NFC.String(expression)
	re, err := regexp.Compile(expression)
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		return nil, wrongAt(setting, expression, regexErrorAt(expression, e), "%s", regexProblem(e))
	}
	if err != nil || !ignoreCase {
		return re, err
	}
	return regexp.Compile("(?i:" + expression + ")")
}

func regexProblem(e *syntax.Error) string {
	switch e.Code {
	case syntax.ErrMissingParen:
		return `the "(" has no ")" after it: write \( for a parenthesis in the name`
	case syntax.ErrUnexpectedParen:
		return `the ")" has no "(" before it: write \) for a parenthesis in the name`
	case syntax.ErrMissingRepeatArgument:
		return e.Code.String() + ": " + e.Expr + ": a repetition follows something to repeat, such as .*"
	case syntax.ErrInvalidPerlOp:
		return "Go's regular expressions don't have " + e.Expr + ": they look neither ahead nor behind"
	}
	return e.Code.String() + ": " + e.Expr
}

// regexErrorAt finds the byte that an error is about. Errors about parentheses name the
// whole expression.
func regexErrorAt(expression string, e *syntax.Error) int {
	switch e.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen:
		if at := wrongParen(expression); at >= 0 {
			return at
		}
	}
	return max(strings.Index(expression, e.Expr), 0)
}

// wrongParen finds the first parenthesis that is closed and not open, or else the last
// one that is open and not closed; -1: there is none.
func wrongParen(expression string) int {
	var open []int
	inClass := false
	for at := 0; at < len(expression); at++ {
		switch c := expression[at]; {
		case c == '\\':
			at++
		case inClass:
			inClass = c != ']'
		case c == '[':
			inClass = true
		case c == '(':
			open = append(open, at)
		case c == ')' && len(open) == 0:
			return at
		case c == ')':
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1]
}
