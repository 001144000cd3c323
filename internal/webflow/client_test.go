package webflow

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewClientBaseURL(t *testing.T) {
	t.Parallel()

	token := mustToken(t, testToken)
	good := map[string]string{
		"":                              "https://api.webflow.com/v2",
		"https://api.webflow.com/v2":    "https://api.webflow.com/v2",
		"https://api.webflow.com/v2/":   "https://api.webflow.com/v2",
		"https://example.com:8443":      "https://example.com:8443",
		"HTTPS://example.com/v2":        "https://example.com/v2",
		"http://127.0.0.1:8080/v2":      "http://127.0.0.1:8080/v2",
		"http://127.9.9.9":              "http://127.9.9.9",
		"http://[::1]:8080":             "http://[::1]:8080",
		"http://[::ffff:127.0.0.1]:80/": "http://[::ffff:127.0.0.1]:80",
		"http://LocalHost:1":            "http://LocalHost:1",
	}
	for in, want := range good {
		c, err := NewClient(Config{Token: token, BaseURL: in})
		require.NoError(t, err, in)
		require.Equal(t, want, c.base)
	}

	bad := []string{
		"http://api.webflow.com/v2", "http://128.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com",
		"http://2130706433", "http://0.0.0.0", "http://[::]", "ftp://example.com", "api.webflow.com/v2", "//example.com", "https://",
		"https://user:hunter2@example.com", "http://user:hunter2@localhost", "https://example.com/?hunter2", "https://example.com/?",
		"https://example.com/#hunter2", "https://exa mple.com/hunter2", ":", "https:example.com", "https://example.com:hunter2/",
	}
	for _, in := range bad {
		c, err := NewClient(Config{Token: token, BaseURL: in})
		require.Error(t, err, in)
		require.Nil(t, c)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestNewClientConfig(t *testing.T) {
	t.Parallel()

	_, err := NewClient(Config{})
	require.ErrorContains(t, err, "no token")
	_, err = NewClient(Config{Token: mustToken(t, testToken), LocaleIn: "header"})
	require.ErrorContains(t, err, "both, body, query")
	_, err = NewClient(Config{Token: mustToken(t, testToken), Timeout: -1})
	require.ErrorContains(t, err, "negative")

	c, err := NewClient(Config{Token: mustToken(t, testToken)})
	require.NoError(t, err)
	require.Equal(t, LocaleInBoth, c.localeIn)
	require.Equal(t, 30*time.Second, c.timeout)
	require.Equal(t, []string{"relabel/dev"}, c.userAgent)
	c.CloseIdleConnections()
}

func TestOwnTransport(t *testing.T) {
	t.Parallel()

	tr := NewTransport(16)
	require.False(t, tr.TLSClientConfig.InsecureSkipVerify)
	require.EqualValues(t, tls.VersionTLS12, tr.TLSClientConfig.MinVersion)
	require.Equal(t, 16, tr.MaxIdleConnsPerHost)
	require.True(t, tr.Protocols.HTTP1())
	require.False(t, tr.Protocols.HTTP2())

	// Plain http never goes through a proxy.
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:1", nil)
	require.NoError(t, err)
	proxy, err := tr.Proxy(req)
	require.NoError(t, err)
	require.Nil(t, proxy)
}

func TestAnswerTimestamp(t *testing.T) {
	t.Parallel()

	for in, want := range map[string]time.Time{
		`"2026-05-04T12:00:30.250Z"`: time.Date(2026, 5, 4, 12, 0, 30, 250e6, time.UTC),
		`"yesterday"`:                {},
		`null`:                       {},
		`17`:                         {},
		`{"a":"b"}`:                  {},
	} {
		var ts Timestamp
		require.NoError(t, ts.UnmarshalJSON([]byte(in)))
		require.True(t, want.Equal(ts.Time), in)
	}
	b, err := Timestamp{}.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, "null", string(b))
}
