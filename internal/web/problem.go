package web

import (
	"errors"

	"relabel/internal/report"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// problem is an error as a page shows it, with what can be done about it.
func problem(err error) string {
	refused, site := (*usecase.RefusedError)(nil), (*siteread.NoSiteError)(nil)
	switch {
	case errors.As(err, &refused):
		advice := ": fix " + text.ItThem(refused.Rows) + ", or tick “Load the good rows”"
		if refused.Ambiguous > 0 {
			advice += "; “If several assets have a row's name” under More settings can rename all of them"
		}
		return err.Error() + advice
	case usecase.IsKeptNames(err):
		return err.Error() + "; “Names in secondary locales” can drop them"
	case errors.As(err, &site):
		return err.Error() + report.SiteIDAdvice(site.Site)
	}
	return err.Error()
}
