package webflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

const testToken = "4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee1"

func mustToken(t *testing.T, s string) Token {
	t.Helper()
	token, err := NewToken(s)
	require.NoError(t, err)
	return token
}

func TestNewToken(t *testing.T) {
	t.Parallel()

	for _, s := range []string{"abc", "  abc\n", "abc\r\n", "\tabc"} {
		require.Equal(t, mustToken(t, "abc").Fingerprint(), mustToken(t, s).Fingerprint(), "%q", s)
	}
	for _, s := range []string{"", "  \n", "Bearer abc", "ab\x00c", "ab\nc", "ab\x7fc", "abcé", "ab\u00a0c"} {
		token, err := NewToken(s)
		require.Error(t, err, "%q", s)
		require.True(t, token.IsZero())
		require.NotContains(t, err.Error(), "abc")
	}
}

func TestTokenFingerprint(t *testing.T) {
	t.Parallel()

	require.Len(t, mustToken(t, testToken).Fingerprint(), 16)
	require.NotEqual(t, mustToken(t, "abc").Fingerprint(), mustToken(t, "abd").Fingerprint())
	require.Empty(t, Token{}.Fingerprint())
	// It is a key in users' databases, so it must never change.
	require.Equal(t, "990e470b45636a69", mustToken(t, testToken).Fingerprint())
}

// TestTokenCannotBePrinted tries every way of turning a token, or a value that holds
// one, into text.
func TestTokenCannotBePrinted(t *testing.T) {
	t.Parallel()

	token := mustToken(t, testToken)
	client, err := NewClient(Config{Token: token})
	require.NoError(t, err)
	type hidden struct{ token Token }

	holders := map[string]any{
		"token": token, "pointer": &token, "unexported field": hidden{token}, "pointer to it": &hidden{token},
		"config": Config{Token: token}, "client": client, "client value": *client,
		"slice": []Token{token}, "map": map[string]Token{"t": token}, "error": &Error{Kind: KindUnauthorized},
	}
	for name, v := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
			require.NotContains(t, fmt.Sprintf(verb, v), testToken, "%s with %s", name, verb)
			require.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", testToken), "%s with %s", name, verb)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "v", v)
		require.NotContains(t, log.String(), testToken, name)
		if b, err := json.Marshal(v); err == nil {
			require.NotContains(t, string(b), testToken, name)
		}
	}
	require.Equal(t, "[redacted]", fmt.Sprint(token))
	require.Equal(t, "[redacted]", token.String())
	require.Equal(t, "[redacted]", token.GoString())
	marshalled, err := token.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(marshalled))
}

func TestTokenRedact(t *testing.T) {
	t.Parallel()

	token := mustToken(t, testToken)
	require.Equal(t, "Bearer [redacted], [redacted]!", token.Redact("Bearer "+testToken+", "+testToken+"!"))
	require.Equal(t, "nothing", token.Redact("nothing"))
	require.Equal(t, "as it is", Token{}.Redact("as it is"))
}
