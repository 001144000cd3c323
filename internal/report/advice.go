package report

import (
	"relabel/db"
	"relabel/internal/text"
)

// SiteIDAdvice says how to set a site's Webflow id, after an error that it is missing or wrong.
func SiteIDAdvice(site string) string {
	return "; `relabel site set" + SiteFlag(site) + " --site-id ID` sets it"
}

// Retried says what came of a retry, a sentence for each kind of row.
func Retried(got db.Retried) []string {
	out := []string{text.Plural(got.Pending, "row", "rows") + " will be sent again"}
	if got.Superseded > 0 {
		out = append(out, text.Plural(got.Superseded, "row is", "rows are")+" not: a newer rename of the same asset came since")
	}
	if got.LeftOut > 0 {
		out = append(out, text.Plural(got.LeftOut, "row was", "rows were")+" left as before: the batch was cancelled meanwhile")
	}
	return out
}
