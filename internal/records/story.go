package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// ErrNoRename means that there is no such row.
var ErrNoRename = errors.New("no such row")

// StoryParams name an asset, or one row, whose history to read.
type StoryParams struct {
	Site     string // of AssetID; empty: all
	AssetID  string
	Locale   *string // its id; nil: all
	Tag      string  // the locale's tag; empty: all
	RenameID int64   // instead of the others
}

// maxTold bounds the rows of a history, to the newest: an asset that is renamed in 20
// locales each night has 7,000 a year.
const maxTold = 100

// History is all that is known about an asset. Times are the database's.
type History struct {
	Renames  []ToldRename // in the order in which they were loaded
	Attempts []Attempt    // by rename and fence
	Events   []Event      // by rename and time: what made it wait
	Seen     []Seen       // what the site held when relabel last read it
	More     bool         // there are older renames, which were left out
	Now      time.Time
}

// ToldRename is a rename with its batch, for a story.
type ToldRename struct {
	Row

	Source     string // of the batch
	AcceptedAt *time.Time
	CreatedAt  time.Time // the batch's
	Planned    bool      // the batch is a plan
	Fence      int
	BeforeAlt  *string
	BeforeAt   *time.Time
	LeaseUntil *time.Time
	Ahead      int64 // for an open row: those of its batch that come before, at most MaxAhead

	// What it waits for now, where it is open.
	Worked       bool // a process works at its site
	BatchReason  *string
	SitePaused   bool
	ParkedReason *string
	RefusedIn    *string // the processes that still have a refused token of the site
	BreakerError *string
	LaneUntil    *time.Time

	// What superseded it.
	ByBatch *int64
	ByLine  *int64
	ByName  *string
}

// Attempt is an HTTP call made for a rename.
type Attempt struct {
	RenameID   int64          `json:"rename_id"`
	Fence      int            `json:"fence"`
	ProcessID  string         `json:"process_id"`
	SentAt     time.Time      `json:"sent_at"`
	Duration   time.Duration  `json:"duration"`
	Outcome    db.Outcome     `json:"outcome"`
	HTTPStatus *int           `json:"http_status"`
	Code       *string        `json:"code"`
	Message    *string        `json:"message"`
	Delay      *time.Duration `json:"delay"`
}

// Event is something that made many rows wait, or let them go on: while a row was open,
// or shortly before.
type Event struct {
	RenameID int64
	At       time.Time
	Kind     EventKind
	Until    *time.Time // of a lane that was stopped
	Detail   *string
}

// Seen is what the site held when relabel last read it.
type Seen struct {
	LocaleID    string
	Gone        bool
	DisplayName string
	AltText     string
	ReadAt      time.Time
}

// MaxAhead bounds the count of the rows before one: counting so many takes milliseconds.
const MaxAhead = 20_000

const toldSQL = `
SELECT ` + rowColumnsSQL + `,
	b.source, b.started_at AS accepted_at, b.created_at, b.status = 'planned' AS planned, r.fence, r.before_alt_text AS before_alt, r.before_at,
	r.lease_until, (
		SELECT count(*) FROM (
			SELECT FROM rename o WHERE r.finished_at IS NULL AND o.batch_id = r.batch_id AND o.finished_at IS NULL AND o.line < r.line LIMIT @ahead
		) o) AS ahead,
	r.finished_at IS NULL AND is_worked(s.id) AS worked, b.status_reason AS batch_reason, s.paused_at IS NOT NULL AS site_paused, s.parked_reason,
	CASE WHEN r.finished_at IS NULL THEN refused_in(s.id) END AS refused_in,
	CASE WHEN k.opened_at IS NOT NULL THEN coalesce(k.last_error, 'no answer') END AS breaker_error,
	CASE WHEN l.blocked_until > clock_timestamp() THEN l.blocked_until END AS lane_until,
	n.batch_id AS by_batch, n.line AS by_line, n.display_name AS by_name
FROM told JOIN rename r USING (id) JOIN batch b ON b.id = r.batch_id JOIN site s ON s.id = r.site_id JOIN breaker k ON k.site_id = s.id
LEFT JOIN lane l ON l.fingerprint = s.lane LEFT JOIN rename n ON n.id = r.superseded_by
ORDER BY r.id`

// Story reads the history of an asset, or of a row. The error is ErrNoRename when
// relabel has no row of it.
func Story(ctx context.Context, d *db.DB, p StoryParams) (out History, err error) {
	args := pgx.NamedArgs{"id": p.RenameID, "asset": p.AssetID, "locale": p.Locale, "tag": p.Tag, "limit": maxTold + 1, "ahead": MaxAhead}
	told := `WITH told AS MATERIALIZED (SELECT @id::bigint AS id)`
	if p.RenameID == 0 {
		if err := checkTag(ctx, d.Pool(), p.Tag); err != nil {
			return out, err
		}
		onSite := ""
		if p.Site != "" {
			site, err := d.SiteByName(ctx, p.Site)
			if err != nil {
				return out, err
			}
			onSite, args["site"] = " AND r.site_id = @site", site.ID
		}
		told = `WITH own AS MATERIALIZED (
			SELECT r.id FROM rename r WHERE r.asset_id = @asset AND (@locale::text IS NULL OR ` + inLocaleSQL + `)
				AND (@tag::text = '' OR ` + taggedSQL + `)` + onSite + `
		), told AS MATERIALIZED (SELECT id FROM own ORDER BY id DESC LIMIT @limit)`
	}
	if out.Now, err = d.Now(ctx); err != nil {
		return out, err
	}
	if out.Renames, err = pg.Collect[ToldRename](ctx, d.Pool(), "reading the rows", told+toldSQL, args); err != nil {
		return out, err
	}
	if len(out.Renames) == 0 {
		return out, p.unknown()
	}
	if len(out.Renames) > maxTold {
		out.Renames, out.More = out.Renames[1:], true
	}
	return out, addToHistory(ctx, d, &out)
}

func (p StoryParams) unknown() error {
	if p.RenameID != 0 {
		return fmt.Errorf("%w: %d", ErrNoRename, p.RenameID)
	}
	where := ""
	if p.Site != "" {
		where = " on site " + p.Site
	}
	return fmt.Errorf("%w: none is about asset %s%s", ErrNoRename, p.AssetID, where)
}

// addToHistory reads what belongs to the rows, with one query for each kind.
func addToHistory(ctx context.Context, d *db.DB, f *History) (err error) {
	ids := make([]int64, len(f.Renames))
	for i, r := range f.Renames {
		ids[i] = r.ID
	}
	args := pgx.NamedArgs{"ids": ids, "asset": f.Renames[0].AssetID, "quarantine": db.MaxCallTime}
	if err := addRenameStates(ctx, d, f.Renames); err != nil {
		return err
	}
	f.Attempts, err = pg.Collect[Attempt](ctx, d.Pool(), "reading the calls", `
		SELECT rename_id, fence, process_id, sent_at, duration, outcome, http_status::int AS http_status, code, message, delay
		FROM attempt WHERE rename_id = ANY (@ids) ORDER BY rename_id, fence`, args)
	if err != nil {
		return err
	}
	if f.Events, err = pg.Collect[Event](ctx, d.Pool(), "reading what made rows wait", statement("events"), args); err != nil {
		return err
	}
	f.Seen, err = pg.Collect[Seen](ctx, d.Pool(), "reading what the site held", `
		SELECT a.locale_id, a.gone, a.display_name, a.alt_text, a.read_at FROM (
			SELECT DISTINCT site_id, locale_id FROM rename WHERE id = ANY (@ids)
		) r JOIN asset_state a USING (site_id, locale_id) WHERE a.asset_id = @asset ORDER BY a.read_at`, args)
	return err
}

func addRenameStates(ctx context.Context, d *db.DB, renames []ToldRename) error {
	jobs := make([]Row, len(renames))
	for i, r := range renames {
		jobs[i] = r.Row
	}
	if err := addStates(ctx, d, jobs); err != nil {
		return err
	}
	for i := range renames {
		renames[i].JobState = jobs[i].JobState
	}
	return nil
}
