package webflow

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// redacted stands wherever a token would have been printed.
const redacted = "[redacted]"

// Token is an API token that cannot be printed: every way Go has of turning a value
// into text gives "[redacted]".
//
// The secret is behind a function because fmt does not call methods on unexported
// fields: what holds a Token that way is printed by reflection, and so is everything by
// dumpers such as testify's. Of a function reflection shows an address, while it
// follows some pointers ("%s" of a struct's address does).
type Token struct{ reveal func() *secret }

type secret struct {
	value         string
	authorization []string // the Authorization header, built once: a client sends it with every call
	fingerprint   string
}

// NewToken makes a Token of s. White space around it is dropped, as a token read from
// a file or pasted into a variable often ends in a newline. Its errors never repeat s.
func NewToken(s string) (Token, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Token{}, errors.New("the token is empty")
	}
	for _, r := range s {
		if r == ' ' {
			return Token{}, errors.New("the token has a space in it (give the token alone, without the word Bearer)")
		}
		if r < '!' || r > '~' {
			return Token{}, errors.New("the token has a character in it that no token has (only printable ASCII is possible)")
		}
	}
	kept := &secret{value: s, authorization: []string{"Bearer " + s}, fingerprint: fingerprint(s)}
	return Token{func() *secret { return kept }}, nil
}

// fingerprint is 64 bits of a SHA-256. The prefix keeps it from equalling a hash of
// the same token that some other program stores.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte("relabel lane v1\x00" + token))
	return hex.EncodeToString(sum[:8])
}

// Fingerprint names the token without giving it away: 16 hex digits, the same on
// every machine. It is the lane's key in the database. It is empty for the zero Token.
func (t Token) Fingerprint() string {
	if t.IsZero() {
		return ""
	}
	return t.reveal().fingerprint
}

// IsZero reports whether there is no token at all.
func (t Token) IsZero() bool { return t.reveal == nil }

// Redact takes the token out of text that came from outside: an API or a proxy may
// repeat a request's headers in its error page.
func (t Token) Redact(s string) string {
	if t.IsZero() {
		return s
	}
	return strings.ReplaceAll(s, t.reveal().value, redacted)
}

// length is the token's length in bytes.
func (t Token) length() int {
	if t.IsZero() {
		return 0
	}
	return len(t.reveal().value)
}

// String, GoString and Format keep the token out of fmt.
func (t Token) String() string { return redacted }

// GoString is what %#v asks for.
func (t Token) GoString() string { return redacted }

// Format answers every verb, %x and %d included.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue keeps the token out of slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps the token out of encoding/json.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText keeps the token out of everything else that encodes text.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
