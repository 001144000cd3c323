package retention

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

const (
	// pruneEvery is how often a site is pruned, over all processes.
	pruneEvery = time.Hour

	// lookEvery is how often a process looks whether a site is due.
	lookEvery = 5 * time.Minute

	// recheckAfter is how long the rows of a batch that stayed are left alone.
	recheckAfter = 7 * 24 * time.Hour
)

// KeeperConfig of a Keeper.
type KeeperConfig struct {
	DB      *db.DB
	Sites   func() []int // those that this process works now
	Who     string       // the account and host, for the audit log
	Archive string       // the folder of an Archive of what goes; empty: none
	Logger  *slog.Logger
}

// Keeper prunes the sites that it is given, as far as they have a setting keep: each once
// an hour, by one process.
type Keeper struct {
	cfg  KeeperConfig
	stop context.CancelFunc
	done sync.WaitGroup
}

// StartKeeper starts a Keeper. It works until Stop or the end of ctx.
func StartKeeper(ctx context.Context, cfg KeeperConfig) *Keeper {
	ctx, stop := context.WithCancel(ctx)
	k := &Keeper{cfg: cfg, stop: stop}
	k.done.Go(func() { k.loop(ctx) })
	return k
}

// Stop ends the pruning and waits for the chunk that is being deleted.
func (k *Keeper) Stop() {
	k.stop()
	k.done.Wait()
}

func (k *Keeper) loop(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := KeepDue(ctx, k.cfg); err != nil && ctx.Err() == nil {
			k.cfg.Logger.Warn("what sites need not keep could not be deleted; relabel tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keptSite is a site that is due.
type keptSite struct {
	ID     int
	Name   string
	Keep   string
	Before time.Time
	Shared bool
}

// dueSQL takes the sites that are due. What belongs to no site goes with the site that
// keeps longest, if all sites have a limit. One process at a time takes them, so that two
// don't prune the same site.
const dueSQL = `
WITH turn AS MATERIALIZED (
	SELECT pg_try_advisory_xact_lock(hashtext('relabel keep')) AS ours
), own AS (
	SELECT id, rtrim(keep, 'd')::int AS days FROM site WHERE keep IS NOT NULL
), longest AS (
	SELECT max(days) AS days, NOT EXISTS (SELECT FROM site WHERE keep IS NULL AND name NOT IN ('demo', 'rehearsal')) AS every FROM own
)
UPDATE site s SET pruned_at = clock_timestamp()
FROM own o, longest l, turn
WHERE turn.ours AND s.id = o.id AND s.id = ANY (@sites)
	AND (s.pruned_at IS NULL OR s.pruned_at < clock_timestamp() - @every::interval)
RETURNING s.id, s.name, s.keep, clock_timestamp() - make_interval(days => o.days) AS before, l.every AND o.days = l.days AS shared`

// KeepDue prunes the sites that are due.
func KeepDue(ctx context.Context, cfg KeeperConfig) error {
	due, err := pg.Collect[keptSite](ctx, cfg.DB.Pool(), "looking for sites to prune", dueSQL,
		pgx.NamedArgs{"sites": append([]int{}, cfg.Sites()...), "every": pruneEvery})
	if err != nil {
		return err
	}
	if len(due) == 0 {
		return nil
	}
	var archive *Archive
	if cfg.Archive != "" {
		if archive, err = NewArchive(cfg.Archive, time.Now()); err != nil {
			return err
		}
	}
	err = pruneDue(ctx, cfg, due, archive)
	_, closeErr := archive.Close()
	return cmp.Or(err, closeErr)
}

func pruneDue(ctx context.Context, cfg KeeperConfig, due []keptSite, archive *Archive) error {
	for _, s := range due {
		counts, err := Prune(ctx, Params{DB: cfg.DB, SiteID: s.ID, Shared: s.Shared, Before: s.Before, Recheck: recheckAfter, Archive: archive})
		for _, c := range counts {
			if c.Rows > 0 {
				cfg.Logger.Info("deleted what the site need not keep", "site", s.Name, "table", c.Table, "rows", c.Rows, "before", s.Before)
			}
		}
		if err = cmp.Or(err, record(context.WithoutCancel(ctx), cfg, s, counts)); err != nil {
			return fmt.Errorf("error pruning site %s: %w", s.Name, err)
		}
	}
	return nil
}
