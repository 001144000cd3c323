package schedule

import (
	"net/url"
	"regexp"
	"strings"
)

// secretKey is a setting of a connection that is a secret: password and
// sslpassword, what other drivers call them, and oauth_client_secret. passfile is
// a path.
const secretKey = `(?i)(password|passwd|pwd|secret)`

var (
	secretName    = regexp.MustCompile(secretKey)
	secretSetting = regexp.MustCompile(secretKey + `\w*['"]?\s*=\s*`)
	emptyValue    = regexp.MustCompile(`^(''(\s|$)|$)`)
)

// HoldsPassword tells whether the address of a PostgreSQL, a URL or settings
// such as host=h user=u, holds a password. It judges the text, which is what
// would be stored, and not what a driver makes of it: that is decoded. In doubt it
// holds one.
func HoldsPassword(text string) bool {
	if strings.Contains(text, "://") {
		return urlHoldsPassword(text)
	}
	for _, at := range secretSetting.FindAllStringIndex(text, -1) {
		if !emptyValue.MatchString(text[at[1]:]) {
			return true
		}
	}
	return false
}

func urlHoldsPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return true // nobody knows what is in it
	}
	if password, _ := u.User.Password(); password != "" || strings.Contains(u.User.Username(), ":") {
		return true
	}
	settings := func(c rune) bool { return c == '&' || c == ';' }
	for _, pair := range strings.FieldsFunc(u.RawQuery+"&"+u.EscapedFragment(), settings) {
		key, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(key); err == nil {
			key = name
		}
		if value != "" && secretName.MatchString(key) {
			return true
		}
	}
	return false
}
