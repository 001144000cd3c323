package report

import "relabel/internal/text"

// Short names of text's functions, for the callers that still use them from here.
var (
	Plural = text.Plural
	Number = text.Number
	Span   = text.Span
	Clock  = text.Clock
	Cut    = text.Cut
)

// SiteFlag is the --site flag that a command for this site needs; the default site
// needs none.
func SiteFlag(site string) string {
	if site == "default" {
		return ""
	}
	return " --site " + site
}
