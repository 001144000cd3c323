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

// redacted is printed in place of a token.
const redacted = "[redacted]"

// Token is an API token that cannot be printed. Every way of turning it into text
// results in "[redacted]".
//
// The secret is behind a function, because fmt prints unexported fields by reflection
// and does not call their methods; dumpers such as testify's always do so. Reflection
// shows only the address of a function, but may follow a pointer.
type Token struct{ reveal func() *secret }

type secret struct {
	value         string
	authorization []string // the Authorization header, built once for all calls
	fingerprint   string
}

// NewToken makes a Token of s. It removes white space at both ends, because a token from
// a file often ends in a newline. Its errors never repeat s.
func NewToken(s string) (Token, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Token{}, errors.New("the token is empty")
	}
	for _, r := range s {
		if r == ' ' {
			return Token{}, errors.New("the token contains a space (use the token alone, without the word Bearer)")
		}
		if r < '!' || r > '~' {
			return Token{}, errors.New("the token contains a character that is not printable ASCII")
		}
	}
	kept := &secret{value: s, authorization: []string{"Bearer " + s}, fingerprint: fingerprint(s)}
	return Token{func() *secret { return kept }}, nil
}

// fingerprint is 64 bits of a SHA-256. Because of the prefix it differs from a hash of
// the same token in another program.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte("relabel lane v1\x00" + token))
	return hex.EncodeToString(sum[:8])
}

// Fingerprint identifies the token without revealing it: 16 hex digits, the same on
// every machine. It is the lane's key in the database. It is empty for the zero Token.
func (t Token) Fingerprint() string {
	if t.IsZero() {
		return ""
	}
	return t.reveal().fingerprint
}

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.reveal == nil }

// Redact removes the token from a text. An API or a proxy may repeat a request's headers
// in its error page.
func (t Token) Redact(s string) string {
	if t.IsZero() {
		return s
	}
	return strings.ReplaceAll(s, t.reveal().value, redacted)
}

// length returns the token's length in bytes.
func (t Token) length() int {
	if t.IsZero() {
		return 0
	}
	return len(t.reveal().value)
}

// String hides the token from fmt.
func (t Token) String() string { return redacted }

// GoString hides the token from %#v.
func (t Token) GoString() string { return redacted }

// Format hides the token from every verb, also from %x and %d.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the token from slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the token from encoding/json.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText hides the token from other encoders.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
