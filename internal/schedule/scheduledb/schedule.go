package scheduledb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/db"
	"relabel/internal/pg"
)

// Schedule is a source that is run at cron times. Exactly one of CSV, Query, QueryFile, Rule
// and Command is set.
type Schedule struct {
	ID          int
	Name        string
	SiteID      int
	Site        string // its name
	Cron        string
	TimeZone    string
	CSV         *string // an absolute path, or an https URL
	Query       *string
	QueryFile   *string
	Rule        *string // the name of a saved rule of the site
	SourceEnv   *string // the variable with the URL of the database for Query and QueryFile
	SourceURL   *string // that URL itself, where it holds no password
	Command     *string // writes a CSV
	Shell       bool    // a shell runs Command
	ColumnMap   *string
	Sheet       *string // of an Excel file; nil: the first visible one
	Ambiguous   string  // all, skip, or empty: a row whose name several assets have is refused
	EmptyMarker *string // the cell that empties an alt text; nil: intake.EmptyMarker
	LocaleNames string  // keep, drop or refuse; empty: keep
	SkipInvalid bool
	Locales     []string // only rows of these; none: all
	Mode        string   // changed or all
	Overlap     string   // skip, queue or cancel
	CatchUp     time.Duration
	MaxChange   *string // 20% or 500
	NotifyURL   *string
	NextRunAt   *time.Time // nil while it is paused
	PausedAt    *time.Time
	PausedNote  *string
	State       string // ok, trouble, failed, held, parked or missed: what the last notice said
	CreatedAt   time.Time
}

// ClearSource forgets where the rows come from, before another source is set.
func (s *Schedule) ClearSource() {
	s.CSV, s.Query, s.QueryFile, s.Rule, s.Command, s.Shell = nil, nil, nil, nil, nil, false
	s.SourceEnv, s.SourceURL = nil, nil
}

const scheduleSQL = `
	SELECT c.id, c.name, c.site_id, s.name AS site, c.cron, c.time_zone, c.csv, c.query, c.query_file, c.rule, c.source_env,
		c.source_url, c.command, c.command_shell AS shell, c.column_map, c.skip_invalid, c.locales, c.mode, c.overlap, c.catch_up, c.max_change, c.notify_url,
		c.next_run_at, c.paused_at, c.paused_note, c.state, c.created_at, c.sheet, c.ambiguous, c.empty_marker, c.names_in_locales AS locale_names
	FROM schedule c JOIN site s ON s.id = c.site_id `

// Errors of schedules.
var (
	ErrNoSchedule = errors.New("no such schedule")
	ErrExists     = errors.New("there is a schedule of that name already")
)

// List lists schedules by name, of one site or with an empty name of all.
func List(ctx context.Context, d *db.DB, site string) ([]Schedule, error) {
	return pg.Collect[Schedule](ctx, d.Pool(), "listing schedules",
		scheduleSQL+`WHERE @site = '' OR s.name = @site ORDER BY c.name`, pgx.NamedArgs{"site": site})
}

// ByName finds a schedule; the error is ErrNoSchedule when there is none.
func ByName(ctx context.Context, d *db.DB, name string) (Schedule, error) {
	list, err := pg.Collect[Schedule](ctx, d.Pool(), "reading the schedule",
		scheduleSQL+`WHERE c.name = @name`, pgx.NamedArgs{"name": name})
	if err != nil {
		return Schedule{}, err
	}
	if len(list) == 0 {
		return Schedule{}, noSchedule(name)
	}
	return list[0], nil
}

func noSchedule(name string) error {
	return fmt.Errorf("%w: %s", ErrNoSchedule, name)
}

func scheduleArgs(s Schedule) pgx.NamedArgs {
	return pgx.NamedArgs{
		"id": s.ID, "name": s.Name, "site_id": s.SiteID, "cron": s.Cron, "time_zone": s.TimeZone, "csv": s.CSV, "query": s.Query,
		"query_file": s.QueryFile, "rule": s.Rule, "source_env": s.SourceEnv, "source_url": s.SourceURL, "command": s.Command, "shell": s.Shell, "column_map": s.ColumnMap,
		"skip_invalid": s.SkipInvalid, "locales": append([]string{}, s.Locales...), "mode": s.Mode, "overlap": s.Overlap,
		"catch_up": s.CatchUp, "max_change": s.MaxChange, "notify_url": s.NotifyURL, "next_run_at": s.NextRunAt,
		"sheet": s.Sheet, "ambiguous": s.Ambiguous, "empty_marker": s.EmptyMarker, "names_in_locales": cmp.Or(s.LocaleNames, "keep"),
	}
}

// Add makes a schedule; the error is ErrExists when there is one
// of that name.
func Add(ctx context.Context, d *db.DB, s Schedule) error {
	_, err := d.Pool().Exec(ctx, `
		INSERT INTO schedule (name, site_id, cron, time_zone, csv, query, query_file, rule, source_env, source_url, command, command_shell, column_map,
			sheet, ambiguous, empty_marker, names_in_locales, skip_invalid, locales, mode, overlap, catch_up, max_change, notify_url, next_run_at)
		VALUES (@name, @site_id, @cron, @time_zone, @csv, @query, @query_file, @rule, @source_env, @source_url, @command, @shell, @column_map,
			@sheet, @ambiguous, @empty_marker, @names_in_locales, @skip_invalid, @locales, @mode, @overlap, @catch_up, @max_change, @notify_url, @next_run_at)`, scheduleArgs(s))
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "23505" { // unique_violation
		return fmt.Errorf("%w: %s", ErrExists, s.Name)
	}
	if err != nil {
		return fmt.Errorf("error adding schedule %s: %w", s.Name, noRule(s, err))
	}
	return nil
}

// noRule is ErrNoRule if the rule was deleted a moment ago.
func noRule(s Schedule, err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.ConstraintName == "schedule_rule_fkey" {
		return fmt.Errorf("%w: %s", db.ErrNoRule, *s.Rule)
	}
	return err
}

// Edit replaces the settings of a schedule. It stays paused if it is. NextRunAt counts
// only with other times: otherwise a run that is due stays due, and one that a worker has
// just started is not started again.
func Edit(ctx context.Context, d *db.DB, s Schedule) error {
	tag, err := d.Pool().Exec(ctx, `
		UPDATE schedule SET cron = @cron, time_zone = @time_zone, csv = @csv, query = @query, query_file = @query_file, rule = @rule,
			source_env = @source_env, source_url = @source_url, command = @command, command_shell = @shell, column_map = @column_map, skip_invalid = @skip_invalid,
			locales = @locales, mode = @mode, overlap = @overlap, catch_up = @catch_up, max_change = @max_change,
			notify_url = @notify_url, sheet = @sheet, ambiguous = @ambiguous, empty_marker = @empty_marker, names_in_locales = @names_in_locales, next_run_at = CASE
				WHEN paused_at IS NOT NULL THEN NULL
				WHEN (cron, time_zone) = (@cron, @time_zone) THEN next_run_at
				ELSE @next_run_at::timestamptz
			END
		WHERE id = @id`, scheduleArgs(s))
	if err != nil {
		return fmt.Errorf("error changing schedule %s: %w", s.Name, noRule(s, err))
	}
	if tag.RowsAffected() == 0 {
		return noSchedule(s.Name)
	}
	return nil
}

// Pause stops the schedule's own runs, and reports whether that changed anything.
// The note says why, and may be empty.
func Pause(ctx context.Context, d *db.DB, id int, note string) (bool, error) {
	tag, err := d.Pool().Exec(ctx, `
		UPDATE schedule SET paused_at = clock_timestamp(), paused_note = nullif(@note, ''), next_run_at = NULL
		WHERE id = @id AND paused_at IS NULL`, pgx.NamedArgs{"id": id, "note": note})
	if err != nil {
		return false, fmt.Errorf("error pausing the schedule: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// Resume lets the schedule run again, first at next. Runs that were due while it
// was paused are not made up for.
func Resume(ctx context.Context, d *db.DB, id int, next time.Time) (bool, error) {
	tag, err := d.Pool().Exec(ctx, `
		UPDATE schedule SET paused_at = NULL, paused_note = NULL, next_run_at = @next
		WHERE id = @id AND paused_at IS NOT NULL`, pgx.NamedArgs{"id": id, "next": next})
	if err != nil {
		return false, fmt.Errorf("error resuming the schedule: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// Remove deletes a schedule and its history. Its batches stay, but plans that
// were not applied are discarded.
func Remove(ctx context.Context, d *db.DB, id int) error {
	plans, err := pg.CollectIDs(ctx, d.Pool(), "reading the schedule's plans", `
		SELECT b.id FROM schedule_run r JOIN batch b ON b.id = r.batch_id
		WHERE r.schedule_id = @id AND (r.finished_at IS NULL OR r.drops_plan) AND b.status = 'planned'`, pgx.NamedArgs{"id": id})
	if err != nil {
		return err
	}
	// Before the schedule, so that the command can be repeated if it is killed.
	for _, id := range plans {
		if err := d.Discard(ctx, id); err != nil && !errors.Is(err, db.ErrNotPlanned) {
			return err
		}
	}
	if _, err := d.Pool().Exec(ctx, `DELETE FROM schedule WHERE id = $1`, id); err != nil {
		return fmt.Errorf("error removing the schedule: %w", err)
	}
	return nil
}
