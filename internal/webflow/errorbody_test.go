package webflow

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestParseErrorBody(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, body, code, message string }{
		{
			"webflow's", `{"code":"resource_not_found","message":"Requested resource not found","externalReference":null,"details":[]}`,
			"resource_not_found", "Requested resource not found",
		},
		{"details are strings", `{"code":"c","message":"Validation Error","details":["too long","no dots"]}`, "c", "Validation Error: too long; no dots"},
		{
			"details are objects", `{"code":"c","message":"m","details":[{"param":"displayName","description":"too long"},{"reason":"why"}]}`,
			"c", "m: displayName: too long; why",
		},
		{"details are objects unknown", `{"message":"m","details":[{"a":1,"b":[true]}]}`, "", `m: {"a":1,"b":[true]}`},
		{"details are mixed", `{"message":"m","details":["s",{"message":"o"},null,3,{}]}`, "", "m: s; o; 3"},
		{"details alone", `{"details":["s"]}`, "", "s"},
		{"details is a string", `{"message":"m","details":"s"}`, "", "m: s"},
		{"first version", `{"msg":"Rate limit hit","code":429,"name":"RateLimit","path":"/x","err":"RateLimit: Rate limit hit"}`, "429", "Rate limit hit"},
		{"oauth", `{"error":"invalid_token","error_description":"it expired"}`, "", "it expired"},
		{"other types", `{"code":true,"message":{"message":"deep"}}`, "true", "deep"},
		{"a string", `"just this"`, "", "just this"},
		{"a list", `["one","two"]`, "", "one; two"},
		{"null", `null`, "", ""},
		{"empty", ``, "", ""},
		{"cut", `{"code":"c","mess`, "", `{"code":"c","mess`},
		{"text", "upstream timed out\n", "", "upstream timed out"},
		{"page with a title", "<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>", "", "502 Bad\n Gateway"},
		{"title with attributes and entities", `<html><TITLE lang="en">a &amp; b</TITLE>`, "", "a & b"},
		{"heading", "<html><title></title><h1><b>Sorry</b></h1>", "", "Sorry"},
		{"page of text", "<p>Access</p><script>var x = 1</script><style>p{}</style><!-- c --> denied", "", "Access denied"},
		{"unclosed", "<html><title>Never closed", "", "Never closed"},
		{"xml", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "", "AccessDenied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, message := parseErrorBody([]byte(tt.body))
			require.Equal(t, tt.code, code)
			require.Equal(t, oneLine(tt.message), oneLine(message))
		})
	}
}

func TestClean(t *testing.T) {
	t.Parallel()

	token := mustToken(t, testToken)
	tests := []struct{ name, in, want string }{
		{"plain", "plain", "plain"},
		{"one line", " a\r\n\tb  c\u2028d ", "a b c d"},
		{"control", "a\x00b\x1b[31mc\u0085d\x7f", "ab[31mc d"},
		{"bidi", "a\u202eb\u2066c\u200f", "abc"},
		{"utf-8", "a\xff\xfeb", "a\uFFFDb"},
		{"emoji", "é 🙂", "é 🙂"},
		{"token", "x" + testToken + "y", "x[redacted]y"},
		{"token in pieces", testToken[:10] + "\x00" + testToken[10:], "[redacted]"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, token.clean(tt.in, maxMessage), tt.name)
	}

	require.Equal(t, strings.Repeat("a", 500), token.clean(strings.Repeat("a", 500), maxMessage))
	cutOne := token.clean(strings.Repeat("é", 400), maxMessage)
	require.LessOrEqual(t, len(cutOne), maxMessage)
	require.True(t, utf8.ValidString(cutOne))
	require.True(t, strings.HasSuffix(cutOne, "é…"))
	require.NotContains(t, token.clean(strings.Repeat("a", 460)+testToken, maxMessage), testToken[:20], "no half token at the cut")
}

// FuzzErrorBody: the texts of any body are safe to store and to show.
func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{
		`{"code":"c","message":"m","details":["s",{"param":"p","description":"d"}]}`, `null`, `[[[]]]`, `{"message":{"a":{"b":1e999}}}`,
		"<html><title>502 Bad Gateway</title>", "<", "<h1", "\x00\xff", `{"message":"\u0000\ud800"}`, testToken, `{"message":"` + testToken + `"}`,
	} {
		f.Add([]byte(s))
	}
	token, err := NewToken(testToken)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		code, message := parseErrorBody(body)
		for _, s := range []string{token.clean(code, maxCode), token.clean(message, maxMessage)} {
			require.True(t, utf8.ValidString(s))
			require.LessOrEqual(t, len(s), maxMessage)
			require.NotContains(t, s, testToken)
			require.Equal(t, s, oneLine(s), "clean text is clean")
			require.NotContains(t, s, "\x00")
		}
	})
}
