package standin

import (
	"net/http"
	"strings"

	"relabel/internal/webflow"
)

// TokenState is what a token may do.
type TokenState uint8

// The states: an invalid token gets 401, a forbidden one (a scope is missing) 403.
const (
	TokenValid TokenState = iota
	TokenInvalid
	TokenForbidden
)

// tokens are known by their fingerprints alone.
type tokens struct {
	states map[string]TokenState
	others TokenState // of a token that is not in states
}

func newTokens(valid []string) tokens {
	t := tokens{states: map[string]TokenState{}}
	for _, token := range valid {
		t.states[fingerprint(token)] = TokenValid
		t.others = TokenInvalid
	}
	return t
}

func (t tokens) state(fingerprint string) TokenState {
	if fingerprint == "" {
		return TokenInvalid
	}
	if state, ok := t.states[fingerprint]; ok {
		return state
	}
	return t.others
}

// fingerprint is empty for what is not a token.
func fingerprint(token string) string {
	t, err := webflow.NewToken(token)
	if err != nil {
		return ""
	}
	return t.Fingerprint()
}

func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}
