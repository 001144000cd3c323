package cli

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/webflow"
)

func (a *app) rowsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rows",
		Aliases: []string{"jobs"},
		Short:   "The rows of all batches: list, show, retry and cancel rows by filter",
		Args:    noCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(a.rowsListCommand(), a.rowsErrorsCommand(), a.rowsShowCommand(), a.rowsRetryCommand(), a.rowsCancelCommand())
	return cmd
}

// rowFlags choose rows.
type rowFlags struct {
	f            db.RowFilter
	locale       string
	maxAttempts  int
	since, until string
}

// primaryLocale is how the locale without an id is asked for.
const primaryLocale = "primary"

func (j *rowFlags) add(cmd *cobra.Command, statuses []string) {
	f := cmd.Flags()
	f.Int64Var(&j.f.Batch, "batch", 0, "rows of this `BATCH`")
	f.StringSliceVar(&j.f.Statuses, "status", nil, "rows of these `STATUSES`: "+strings.Join(statuses, ", "))
	f.StringVar(&j.f.State, "state", "", "rows with a River job in this `STATE`: "+strings.Join(db.JobStates(), ", "))
	f.StringVar(&j.locale, "locale", "", "rows of this `LOCALE`: a tag such as fr-FR, an id, or "+primaryLocale)
	f.StringVar(&j.f.AssetID, "asset", "", "rows of this asset's `ID`")
	f.StringVar(&j.f.Name, "name", "", "rows whose name, wanted or stored, holds this `TEXT`")
	f.StringVar(&j.f.Error, "error", "", "rows whose error holds this `TEXT`")
	f.IntVar(&j.f.HTTPStatus, "http", 0, "rows whose last answer had this `STATUS`, such as 404")
	f.IntVar(&j.f.MinAttempts, "min-attempts", 0, "rows sent at least `N` times")
	f.IntVar(&j.maxAttempts, "max-attempts", 0, "rows sent at most `N` times; 0: never")
	f.StringVar(&j.since, "since", "", "rows that ended then or later: a `TIME` such as 2h, 3d, 14:30, 2026-11-23 or 2026-11-23T14:30")
	f.StringVar(&j.until, "until", "", "rows that ended before that `TIME`")
	for flag, values := range map[string][]string{"status": statuses, "state": db.JobStates()} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	}
}

// check reads the flags, before anything is opened. Times that are so long ago
// are seen from now.
func (j *rowFlags) check(cmd *cobra.Command, a *app, statuses []string, now time.Time) (f db.RowFilter, err error) {
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
	for _, s := range f.Statuses {
		if !slices.Contains(statuses, s) {
			return f, usageError("--status: not %q here, but %s", s, strings.Join(statuses, ", "))
		}
	}
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
	return f, usage(f.Check())
}

// usage turns a filter's error into wrong usage.
func usage(err error) error {
	if e, ok := errors.AsType[db.FilterError](err); ok {
		return usageError("%s", e)
	}
	return err
}

// assetID takes an asset's id as it may be copied.
func assetID(s string) (string, error) {
	id := strings.ToLower(strings.TrimSpace(s))
	if len(id) != 24 || strings.Trim(id, "0123456789abcdef") != "" {
		return "", usageError("%q is no asset id: those have 24 hexadecimal digits", s)
	}
	return id, nil
}

// localeOf takes a locale's id as it may be copied, or else its tag.
func localeOf(s string) (id *string, tag string, err error) {
	text := strings.ToLower(strings.TrimSpace(s))
	switch {
	case text == primaryLocale:
		text = ""
	case text == "":
		return nil, "", usageError("--locale takes a tag such as fr-FR, a locale's id, or %s", primaryLocale)
	case !webflow.IsObjectID(text):
		return nil, text, nil
	}
	return &text, "", nil
}

// moment reads a time as people write it: how long ago, a time of today, a day,
// or both; local, or as RFC 3339 says. An empty text is no time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, ok := duration(text); ok {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			y, m, d := now.Local().Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.Local), nil
		}
	}
	return time.Time{}, usageError("--%s takes how long ago (90s, 2h, 3d) or a time (14:30, 2026-11-23, 2026-11-23T14:30), not %q", flag, text)
}

// duration reads 90s, 15m, 2h, 3d.
func duration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n < 10_000
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// renameNumber is the argument of `rows show`.
func renameNumber(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("`%s` takes one row's number; `relabel rows list` shows them", cmd.CommandPath())
	}
	if n, err := strconv.ParseInt(args[0], 10, 64); err != nil || n < 1 {
		return usageError("%q is not a row's number; `relabel rows list` shows them", args[0])
	}
	return nil
}
