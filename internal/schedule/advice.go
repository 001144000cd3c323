package schedule

import (
	"errors"
	"strings"

	"relabel/internal/report"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
)

// refusedError is a source that was refused, with its first problems.
type refusedError struct {
	*usecase.RefusedError

	problems []string
}

// Unwrap implements errors.Is and errors.As.
func (e *refusedError) Unwrap() error { return e.RefusedError }

// advice is what a person can do about the error of a run.
func advice(err error) string {
	refused, locales, site := (*refusedError)(nil), (*siteread.LocalesError)(nil), (*siteread.NoSiteError)(nil)
	api := (*webflow.Error)(nil)
	switch {
	case errors.As(err, &refused):
		return ": fix " + text.ItThem(refused.Rows) + ", or load the others with --skip-invalid (" + strings.Join(refused.problems, "; ") + ")"
	case usecase.IsKeptNames(err):
		return "; --names-in-locales drop or refuse prevents that"
	case errors.As(err, &site):
		return report.SiteIDAdvice(site.Site)
	case errors.As(err, &locales) && errors.As(err, &api) && api.Kind == webflow.KindForbidden:
		return ": the token needs the scope sites:read to look up locales by their tags; or use the column locale_id and no --locales"
	}
	return ""
}
