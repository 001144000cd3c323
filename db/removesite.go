package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/pg"
)

// removeWait bounds the wait for the site's row. A load holds it until it ends, which may
// take hours.
const removeWait = time.Second

// shownBatches is how many batches a SiteUsedError lists.
const shownBatches = 10

// ErrSiteStays means that the site is one that relabel can't be without.
var ErrSiteStays = errors.New("the site default can't be removed, as commands use it without --site")

// SiteUsedError says why a site can't be removed now.
type SiteUsedError struct {
	Site      string
	Loading   bool     // a transaction loads rows into it
	Open      []int64  // batches that have not ended, and that can be cancelled; at most 10
	Ending    []int64  // batches with calls that may still arrive, or that ended meanwhile; at most 10
	Schedules []string // schedules of the site
}

func (e *SiteUsedError) Error() string {
	var why []string
	if e.Loading {
		why = append(why, "rows are being loaded into it")
	}
	if len(e.Open) > 0 {
		why = append(why, "these batches have not ended: "+numbers(e.Open))
	}
	if len(e.Ending) > 0 {
		why = append(why, "these batches are just ending: "+numbers(e.Ending))
	}
	if len(e.Schedules) > 0 {
		why = append(why, "these schedules use it: "+strings.Join(e.Schedules, ", "))
	}
	return fmt.Sprintf("site %s can't be removed: %s", e.Site, strings.Join(why, "; "))
}

func numbers(ids []int64) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = fmt.Sprint(id)
	}
	return strings.Join(parts, ", ")
}

// CheckRemovable returns a SiteUsedError while something needs the site.
func (db *DB) CheckRemovable(ctx context.Context, site Site) error {
	return db.withUnusedSite(ctx, site, func(pgx.Tx) error { return nil })
}

// RemoveSite removes a site whose batches were deleted before. A SiteUsedError names what
// was added since: nothing is removed then.
//
// Nobody can add anything meanwhile. Loads, schedules and tokens refer to the site's row, so
// they wait for its lock and then fail.
func (db *DB) RemoveSite(ctx context.Context, site Site) error {
	return db.withUnusedSite(ctx, site, func(tx pgx.Tx) error {
		var batches []int64
		if err := tx.QueryRow(ctx, `SELECT array(SELECT id FROM batch WHERE site_id = $1 ORDER BY id LIMIT $2)`,
			site.ID, shownBatches).Scan(&batches); err != nil {
			return fmt.Errorf("error looking for batches of site %s: %w", site.Name, err)
		}
		if len(batches) > 0 {
			return &SiteUsedError{Site: site.Name, Ending: batches}
		}
		return removeSite(ctx, tx, site)
	})
}

// withUnusedSite runs fn with the site's row locked, unless something needs the site.
func (db *DB) withUnusedSite(ctx context.Context, site Site, fn func(pgx.Tx) error) error {
	if site.Name == DefaultSite {
		return ErrSiteStays
	}
	return db.inLaneTx(ctx, func(tx pgx.Tx) error {
		if err := lockWholeSite(ctx, tx, site); err != nil {
			return err
		}
		used, err := usesOf(ctx, tx, site)
		if err != nil {
			return err
		}
		if len(used.Open)+len(used.Ending)+len(used.Schedules) > 0 {
			return &used
		}
		return fn(tx)
	})
}

// lockWholeSite takes the lock that conflicts with every reference to the site.
func lockWholeSite(ctx context.Context, tx pgx.Tx, site Site) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('lock_timeout', $1, true)`, fmt.Sprint(removeWait.Milliseconds())); err != nil {
		return fmt.Errorf("error bounding the wait for the site: %w", err)
	}
	tag, err := tx.Exec(ctx, `SELECT FROM site WHERE id = $1 FOR UPDATE`, site.ID)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == lockNotAvailable {
		return &SiteUsedError{Site: site.Name, Loading: true}
	}
	if err != nil {
		return fmt.Errorf("error locking site %s: %w", site.Name, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: %s", ErrNoSite, site.Name)
	}
	return nil
}

func usesOf(ctx context.Context, tx pgx.Tx, site Site) (SiteUsedError, error) {
	type uses struct {
		Open, Ending []int64
		Schedules    []string
	}
	list, err := pg.Collect[uses](ctx, tx, "looking for what uses the site", `
		SELECT
			array(SELECT id FROM batch WHERE site_id = @site AND finished_at IS NULL AND status <> 'cancelled' ORDER BY id LIMIT @limit) AS open,
			array(SELECT id FROM batch WHERE site_id = @site AND finished_at IS NULL AND status = 'cancelled' ORDER BY id LIMIT @limit) AS ending,
			array(SELECT name FROM schedule WHERE site_id = @site ORDER BY name) AS schedules`,
		pgx.NamedArgs{"site": site.ID, "limit": shownBatches})
	if err != nil {
		return SiteUsedError{}, err
	}
	return SiteUsedError{Site: site.Name, Open: list[0].Open, Ending: list[0].Ending, Schedules: list[0].Schedules}, nil
}

// removeSite deletes the site and what still refers to it. The rest goes with its row. The
// lane stays, as its log of grants holds for the token. The other sites of the token no
// longer have to keep this one's limit.
func removeSite(ctx context.Context, tx pgx.Tx, site Site) error {
	for _, table := range []string{"event", "notice", "api_token"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE site_id = $1`, site.ID); err != nil {
			return fmt.Errorf("error deleting what site %s has in %s: %w", site.Name, table, err)
		}
	}
	var shared *string
	err := tx.QueryRow(ctx, `
		DELETE FROM site s WHERE id = $1
		RETURNING (SELECT o.lane FROM site o WHERE o.lane = s.lane AND o.id <> s.id LIMIT 1)`, site.ID).Scan(&shared)
	if err != nil {
		return fmt.Errorf("error deleting site %s: %w", site.Name, err)
	}
	if shared == nil {
		return nil
	}
	return setLane(ctx, tx, LaneSettings{Fingerprint: *shared, Window: DefaultWindow})
}
