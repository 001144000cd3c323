package records

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
)

// RowFilter chooses renames, whatever their batch. Its zero value chooses all.
type RowFilter struct {
	Batch       int64          // 0: of all
	Site        string         // its name; empty: of all
	Statuses    []db.RowStatus // none: any
	State       string         // the state of a River job of it, such as running
	Locale      *string        // its id; "" is the primary locale, which its own id finds too; nil: any
	LocaleTag   string         // its tag, as KeepLocales has it; empty: any
	AssetID     string         // the whole id
	Name        string         // part of the name, wanted or stored; upper and lower case are the same
	Error       string         // part of the error, likewise
	HTTPStatus  int            // of its last answer
	MinAttempts int            // calls made
	MaxAttempts *int           // nil: no bound; 0 are those never sent
	Since       time.Time      // ended then or later
	Until       time.Time      // ended before

	batchIs string // an SQL condition on its batch b; empty: none
	errors  bool   // only rows with an error
}

// RowSort is an order of rows. Each has an index.
type RowSort string

// The orders.
const (
	SortNewest RowSort = "newest" // the last loaded first
	SortOldest RowSort = "oldest" // as they were loaded
	SortEnded  RowSort = "ended"  // the last ended first; rows that are open are left out
)

// RowSorts are all orders.
func RowSorts() []string { return []string{string(SortNewest), string(SortOldest), string(SortEnded)} }

// JobStates are the states of a River job.
func JobStates() []string {
	return []string{"available", "cancelled", "completed", "discarded", "pending", "retryable", "running", "scheduled"}
}

// FilterError reports an impossible filter, in words for the user.
type FilterError string

func (e FilterError) Error() string { return string(e) }

func badFilter(format string, args ...any) error { return FilterError(fmt.Sprintf(format, args...)) }

// Sort is the order in which a filter finds its rows fastest: the last ended first,
// unless it may choose open rows, or there is an index for what went wrong.
func (f RowFilter) Sort() RowSort {
	open := len(f.Statuses) == 0 || slices.ContainsFunc(f.Statuses, db.RowStatus.Open)
	switch {
	case !f.Since.IsZero() || !f.Until.IsZero():
		return SortEnded
	case f.walkName(SortNewest) == walkAll && (!open || f.HTTPStatus != 0):
		return SortEnded
	}
	return SortNewest
}

// Check returns a FilterError when the filter makes no sense.
func (f RowFilter) Check() error {
	for _, s := range f.Statuses {
		if !slices.Contains(db.Statuses(), s) {
			return badFilter("there is no status %q; there are %s", s, strings.Join(db.Words(db.Statuses()), ", "))
		}
	}
	switch {
	case f.State != "" && !slices.Contains(JobStates(), f.State):
		return badFilter("there is no job state %q; there are %s", f.State, strings.Join(JobStates(), ", "))
	case f.HTTPStatus != 0 && (f.HTTPStatus < 100 || f.HTTPStatus > 999):
		return badFilter("an HTTP status has three digits, not %d", f.HTTPStatus)
	case f.MinAttempts < 0 || f.MaxAttempts != nil && *f.MaxAttempts < f.MinAttempts:
		return badFilter("the smallest and the largest number of attempts exclude all rows: the smallest is 0 or more, and not above the largest")
	case !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until):
		return badFilter("since must be before until")
	}
	return nil
}

// mayRetry is what batch b must be for a retry to take its rows: accepted, and if it was
// cancelled then to the end. retry.sql checks it again under its locks.
const mayRetry = `b.acceptance IS NOT NULL AND (b.status <> 'cancelled' OR b.finished_at IS NOT NULL)`

// ForRetry narrows f to the rows that a retry takes; ok is false when f allows none.
func (f RowFilter) ForRetry() (_ RowFilter, ok bool) {
	f.batchIs = mayRetry
	if len(f.Statuses) == 0 {
		return f.among(db.Retryable())
	}
	return f.among(db.MayRetry())
}

// ForCancel narrows f to the rows that a cancel takes, which leaves plans alone; ok is
// false when f allows none.
func (f RowFilter) ForCancel() (_ RowFilter, ok bool) {
	f.batchIs = "b.status <> 'planned'"
	return f.among(db.Cancellable())
}

// among narrows the filter to some statuses.
func (f RowFilter) among(statuses []db.RowStatus) (_ RowFilter, ok bool) {
	if len(f.Statuses) > 0 {
		statuses = slices.DeleteFunc(slices.Clone(statuses), func(s db.RowStatus) bool { return !slices.Contains(f.Statuses, s) })
	}
	f.Statuses = statuses
	return f, len(statuses) > 0
}

// counted reports whether the batches' counters know how many rows the filter chooses.
func (f RowFilter) counted() bool {
	return f.State == "" && f.Locale == nil && f.LocaleTag == "" && f.AssetID == "" && f.Name == "" && f.Error == "" && f.HTTPStatus == 0 &&
		f.MinAttempts == 0 && f.MaxAttempts == nil && f.Since.IsZero() && f.Until.IsZero()
}

// hit returns the whole filter as an SQL condition on rename r, and adds its arguments.
// What an index serves is a condition of the walk too.
func (f RowFilter) hit(args pgx.NamedArgs) string {
	var all []string
	and := func(wanted bool, sql, name string, value any) {
		if wanted {
			all = append(all, sql)
			args[name] = value
		}
	}
	and(f.Batch != 0, "r.batch_id = @batch", "batch", f.Batch)
	and(f.Site != "", "r.site_id = @site", "site", args["site"])
	and(len(f.Statuses) > 0, "r.status = ANY (@statuses)", "statuses", db.Words(f.Statuses))
	and(f.Locale != nil, inLocaleSQL, "locale", f.Locale)
	and(f.LocaleTag != "", taggedSQL, "tag", f.LocaleTag)
	and(f.AssetID != "", "r.asset_id = @asset", "asset", f.AssetID)
	and(f.Name != "", "(position(@name IN lower(r.display_name)) > 0 OR position(@name IN lower(r.applied_name)) > 0)",
		"name", strings.ToLower(f.Name))
	and(f.Error != "", "position(@error IN lower(r.error)) > 0", "error", strings.ToLower(f.Error))
	and(f.HTTPStatus != 0, "r.http_status = @http", "http", f.HTTPStatus)
	and(f.MinAttempts > 0, "r.calls >= @min_calls", "min_calls", f.MinAttempts)
	and(f.MaxAttempts != nil, "r.calls <= @max_calls", "max_calls", f.MaxAttempts)
	and(!f.Since.IsZero(), "r.finished_at >= @since", "since", f.Since)
	and(!f.Until.IsZero(), "r.finished_at < @until", "until", f.Until)
	if f.errors {
		all = append(all, "r.error IS NOT NULL")
	}
	if f.batchIs != "" {
		all = append(all, "EXISTS (SELECT FROM batch b WHERE b.id = r.batch_id AND "+f.batchIs+")")
	}
	if len(all) == 0 {
		return "true"
	}
	// A column that is NULL is no hit.
	return "coalesce(" + strings.Join(all, " AND ") + ", false)"
}

// place is how far a search has come, in the order of its walk.
type place struct {
	Walk  string
	Batch int64     // of the open rows
	At    time.Time // of the order by end
	N     int64     // the rename's id, or its line among the open rows of a batch
}

// String encodes the place as a cursor.
func (p place) String() string {
	at := int64(0)
	if !p.At.IsZero() {
		at = p.At.UnixMicro()
	}
	return fmt.Sprintf("%s.%d.%d.%d", p.Walk, p.Batch, at, p.N)
}

// parsePlace decodes a cursor that was returned for the same filter and order.
func parsePlace(cursor, walk string) (place, error) {
	bad := badFilter("the cursor %q is not one of this list: leave it out to begin at the front", cursor)
	parts := strings.Split(cursor, ".")
	if len(parts) != 4 || parts[0] != walk {
		return place{}, bad
	}
	var n [3]int64
	for i, part := range parts[1:] {
		var err error
		if n[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return place{}, bad
		}
	}
	return place{Walk: walk, Batch: n[0], At: time.UnixMicro(n[1]).UTC(), N: n[2]}, nil
}
