package rule

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName and maxAlt are the longest texts that a load takes, in bytes.
	maxName = 4 << 10
	maxAlt  = 16 << 10
)

// maxExtension is the longest extension, as in a plan's notice about lost ones.
const maxExtension = 5

// split cuts the extension off a name, with its dot. It has a letter, so the .2 of "v1.2"
// is none, and follows something: ".htaccess" is a name without one.
func split(name string) (stem, extension string) {
	at := strings.LastIndexByte(name, '.')
	if at < 1 || name[at-1] == '.' || len(name)-at-1 > maxExtension {
		return name, ""
	}
	letter := false
	for _, c := range []byte(name[at+1:]) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		case c < '0' || c > '9':
			return name, ""
		}
	}
	if !letter {
		return name, ""
	}
	return name[:at], name[at:]
}

// keepExtension adds the extension where a template has left it out.
func keepExtension(name, extension string) string {
	at := len(name) - len(extension)
	if at >= 0 && strings.EqualFold(name[at:], extension) {
		return name
	}
	return name + extension
}

// checkText refuses a text of the user's that can't be part of a name.
func checkText(setting, text string) error {
	for at, r := range text {
		_, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			return wrong(setting, "the text is not UTF-8")
		case unicode.IsControl(r):
			return wrongAt(setting, text, at, "a control character (U+%04X) can't be part of a name", r)
		}
	}
	return nil
}

// cleanName makes one line of a text that an asset's own names brought in.
func cleanName(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// whyNot says why a new name can't be given; empty if it can.
func whyNot(name string) string {
	stem, _ := split(name)
	switch {
	case strings.TrimFunc(stem, blank) == "", extensionOnly(name):
		return "its new name would be empty"
	case len(name) > maxName:
		return "its new name would be longer than 4,096 bytes"
	}
	return ""
}

// whyNoAlt says why a new alt text can't be given; empty if it can.
func whyNoAlt(alt string) string {
	switch {
	case strings.TrimFunc(alt, blank) == "":
		return "its new alt text would be empty"
	case len(alt) > maxAlt:
		return "its new alt text would be longer than 16,384 bytes"
	}
	return ""
}

// extensionOnly reports a name such as ".jpg".
func extensionOnly(name string) bool {
	stem, extension := split("x" + name)
	return stem == "x" && extension == name
}

// blank reports what can't be seen in a name.
func blank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' }
