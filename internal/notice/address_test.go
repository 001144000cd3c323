package notice

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, says := range map[string]string{
		"https://u:secret@example.com/":                         "a URL with a user or a password in it is not stored",
		"http://example.com/":                                   "the URL must begin with https://",
		"smtp://mail.example.com:70000?to=a@b.c":                "the port 70000 is not a number from 1 to 65535",
		"ops@example.com":                                       "this is no URL",
		"smtp://ann:secret@mail.example.com?to=a@b.example":     `set RELABEL_SMTP_PASSWORD="mail.example.com PASSWORD"`,
		"smtps://mail.example.com":                              "needs ?to=ADDRESS",
		"smtps://mail.example.com?to=nobody":                    "needs ?to=ADDRESS",
		"smtps://mail.example.com?to=a@b.example&from=x":        "has from=ADDRESS",
		"smtps://mail.example.com?to=a@b.example&password=x":    `has to and from, not "password"`,
		"smtps://mail.example.com/path?to=a@b.example":          "looks like smtps://",
		"smtps://?to=a@b.example":                               "looks like smtps://",
		"smtp://mail.example.com?to=a@b.example%0d%0aBcc: x@y":  "needs ?to=ADDRESS",
		"smtp://mail.example.com?to=a@b.example&from=a@b%0aX:y": "has from=ADDRESS",
	} {
		err := Check(address, false)
		require.ErrorContains(t, err, says, address)
		require.NotContains(t, err.Error(), "secret")
	}
	for _, address := range []string{
		"https://hooks.slack.com/services/T/B/X", "smtp://mail.example.com?to=a@b.example", "smtps://ann%40example.com@mail.example.com:465?to=a@b.example,c@d.example",
		"smtps://ann@mail.example.com?to=a@b.example&to=c@d.example&from=relabel@example.com",
	} {
		require.NoError(t, Check(address, false), address)
	}
	require.NoError(t, Check("http://10.0.0.1/hook", true))
	old := []string{"http://10.0.0.1/hook"}
	require.NoError(t, CheckAll(old, old, false), "it was allowed where it was set")
	require.ErrorContains(t, CheckAll(nil, make([]string, maxAddresses+1), false), "at most 10 addresses")
}

func TestShown(t *testing.T) {
	t.Parallel()
	for address, shown := range map[string]string{
		"https://hooks.slack.com/services/secret":                 "https://hooks.slack.com/…",
		"https://example.com/hook?token=secret":                   "https://example.com/…",
		"smtps://secret@mail.example.com:465?to=a@b.c&from=d@e.f": "smtps://mail.example.com:465?to=a@b.c",
		"smtp://mail.example.com?to=a@b.example&to=c@d.example":   "smtp://mail.example.com?to=a@b.example,c@d.example",
	} {
		require.Equal(t, shown, Shown(address))
	}
	require.NotEqual(t, Key("https://a.example/"), Key("https://b.example/"))
}
