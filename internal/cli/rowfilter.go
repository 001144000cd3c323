package cli

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
)

// rowFlags are the flags that choose rows.
type rowFlags struct {
	f            records.RowFilter
	statuses     []string
	locale       string
	maxAttempts  int
	since, until string
}

func (j *rowFlags) add(a *app, cmd *cobra.Command, statuses []string) {
	f := cmd.Flags()
	f.Int64Var(&j.f.Batch, "batch", 0, "rows of this `BATCH`")
	f.StringSliceVar(&j.statuses, "status", nil, "rows of these `STATUSES`: "+strings.Join(statuses, ", "))
	f.StringVar(&j.f.State, "state", "", "rows with a River job in this `STATE`: "+strings.Join(records.JobStates(), ", "))
	f.StringVar(&j.locale, "locale", "", "rows of this `LOCALE`: a tag such as fr-FR, an id, or "+report.PrimaryLocale)
	f.StringVar(&j.f.AssetID, "asset", "", "rows of this asset's `ID`")
	f.StringVar(&j.f.Name, "name", "", "rows whose wanted or stored name contains this `TEXT`")
	f.StringVar(&j.f.Error, "error", "", "rows whose error contains this `TEXT`")
	f.IntVar(&j.f.HTTPStatus, "http", 0, "rows whose last answer had this `STATUS`, such as 404")
	f.IntVar(&j.f.MinAttempts, "min-attempts", 0, "rows sent at least `N` times")
	f.IntVar(&j.maxAttempts, "max-attempts", 0, "rows sent at most `N` times; 0: never")
	f.StringVar(&j.since, "since", "", "rows that ended at this `TIME` or later: 2h, 3d, 14:30, 2026-11-23 or 2026-11-23T14:30")
	f.StringVar(&j.until, "until", "", "rows that ended before this `TIME`")
	completeFlag(cmd, "batch", a.completeBatchFlag())
	for flag, values := range map[string][]string{"status": statuses, "state": records.JobStates()} {
		completeWords(cmd, flag, values)
	}
}

// check makes a filter of the flags before the database is opened. A time such as 2h
// means two hours before now.
func (j *rowFlags) check(cmd *cobra.Command, a *app, statuses []string, now time.Time) (f records.RowFilter, err error) {
	changed := cmd.Flags().Changed
	f = j.f
	if changed("site") {
		f.Site = a.site
	}
	if changed("locale") {
		if f.Locale, f.LocaleTag, err = localeOf(j.locale); err != nil {
			return f, err
		}
	}
	if changed("max-attempts") {
		f.MaxAttempts = &j.maxAttempts
	}
	if changed("batch") && f.Batch < 1 {
		return f, usageError("--batch takes a batch's number; `relabel status` lists them")
	}
	for _, s := range j.statuses {
		if !slices.Contains(statuses, s) {
			return f, usageError("--status takes %[2]s, not %[1]q", s, strings.Join(statuses, ", "))
		}
	}
	f.Statuses = db.RowStatuses(j.statuses)
	if changed("asset") {
		if f.AssetID, err = assetID(f.AssetID); err != nil {
			return f, err
		}
	}
	if f.Since, err = moment("since", j.since, now); err != nil {
		return f, err
	}
	if f.Until, err = moment("until", j.until, now); err != nil {
		return f, err
	}
	return f, filterUsage(f.Check())
}

// filterUsage makes an impossible filter wrong usage (exit code 2).
func filterUsage(err error) error {
	if e, ok := errors.AsType[records.FilterError](err); ok {
		return usageError("%s", e)
	}
	return err
}

// assetID reads an asset's id.
func assetID(s string) (string, error) {
	id, ok := report.AssetFilter(s)
	if !ok {
		return "", usageError("%q is not an asset id: an id has 24 hexadecimal digits", s)
	}
	return id, nil
}

// localeOf reads a locale: its id, its tag, or primary.
func localeOf(s string) (id *string, tag string, err error) {
	id, tag, ok := report.LocaleFilter(s)
	if !ok {
		return nil, "", usageError("--locale takes a tag such as fr-FR, a locale's id, or %s", report.PrimaryLocale)
	}
	return id, tag, nil
}
