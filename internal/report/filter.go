package report

import (
	"strings"

	"relabel/internal/webflow"
)

// PrimaryLocale names the primary locale, which has no id.
const PrimaryLocale = "primary"

// AssetFilter reads an asset's id. Spaces around it and capital letters are allowed.
func AssetFilter(text string) (id string, ok bool) {
	id = strings.ToLower(strings.TrimSpace(text))
	return id, webflow.IsObjectID(id)
}

// LocaleFilter reads a locale: its id, its tag, or PrimaryLocale.
func LocaleFilter(text string) (id *string, tag string, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	switch {
	case text == "":
		return nil, "", false
	case text == PrimaryLocale:
		text = ""
	case !webflow.IsObjectID(text):
		return nil, text, true
	}
	return &text, "", true
}
