package config_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/config"
)

func readNotify(t *testing.T, env map[string]string) (config.Notify, error) {
	t.Helper()
	cfg, err := config.Read(func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	})
	return cfg.Notify, err
}

// Headers and passwords belong to a host, because the addresses of notices are stored.
func TestNotify(t *testing.T) {
	t.Parallel()
	n, err := readNotify(t, map[string]string{
		"RELABEL_NOTIFY_ALLOW_PRIVATE": "1", "RELABEL_NOTIFY_SECRET": "key",
		"RELABEL_NOTIFY_HEADERS": "Hooks.example.com Authorization: Bearer a:b\n\n  hooks.example.com X-Team: ops \nother.example.com:8443 X-Team: dev\n",
		"RELABEL_SMTP_PASSWORD":  "mail.example.com two words\nother.example.com x",
	})
	require.NoError(t, err)
	require.Equal(t, config.Notify{
		AllowPrivate: true, Secret: "key",
		Headers: map[string]http.Header{
			"hooks.example.com":      {"Authorization": {"Bearer a:b"}, "X-Team": {"ops"}},
			"other.example.com:8443": {"X-Team": {"dev"}},
		},
		Passwords: map[string]string{"mail.example.com": "two words", "other.example.com": "x"},
	}, n)
	n, err = readNotify(t, nil)
	require.NoError(t, err)
	require.Equal(t, config.Notify{Headers: map[string]http.Header{}, Passwords: map[string]string{}}, n)
}

// What is wrong is said without the secret.
func TestNotifyRefused(t *testing.T) {
	t.Parallel()
	for _, headers := range []string{
		"Authorization: Bearer geheim", "hooks.example.com Authorization Bearer geheim", "hooks.example.com X Y: geheim", "hooks.example.com geheim:",
	} {
		_, err := readNotify(t, map[string]string{"RELABEL_NOTIFY_HEADERS": headers})
		require.EqualError(t, err, "RELABEL_NOTIFY_HEADERS: each line is HOST NAME: VALUE, such as hooks.example.com Authorization: Bearer TOKEN", headers)
	}
	_, err := readNotify(t, map[string]string{"RELABEL_SMTP_PASSWORD": "geheim"})
	require.EqualError(t, err, "RELABEL_SMTP_PASSWORD: each line is HOST PASSWORD: the password is sent to that mail server only")
}
