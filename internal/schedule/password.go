package schedule

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// secretKey matches the connection settings that hold a secret: password,
// sslpassword, other drivers' names for them, and oauth_client_secret. It does not
// match passfile, which is a path.
const secretKey = `(?i)(password|passwd|pwd|secret)`

var (
	secretName    = regexp.MustCompile(secretKey)
	secretSetting = regexp.MustCompile(secretKey + `\w*['"]?\s*=\s*`)
	emptyValue    = regexp.MustCompile(`^(''(\s|$)|$)`)
)

// HoldsPassword reports whether a database's address (a URL, or settings such as
// host=h user=u) holds a password. It checks the text itself and not what a driver
// decodes from it, because the text is what would be stored. In doubt the answer
// is yes.
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
	known := []string{"postgres", "postgresql", "mysql", "sqlserver", "sqlite"}
	if err != nil || u.Opaque != "" || !slices.Contains(known, u.Scheme) {
		return true // in doubt
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
