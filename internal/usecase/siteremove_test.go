package usecase_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/retention"
	"relabel/internal/usecase"
)

// removeBundle is two sites that have a row of each kind.
type removeBundle struct {
	*usecase.Service

	shop, blog db.Site
}

func setupRemove(t *testing.T) *removeBundle {
	t.Helper()
	t.Parallel()
	b := &removeBundle{Service: &usecase.Service{DB: dbtest.New(t), Logger: slog.New(slog.DiscardHandler)}}
	b.shop, b.blog = b.add(t, "shop"), b.add(t, "blog")
	return b
}

func (b *removeBundle) add(t *testing.T, name string) db.Site {
	t.Helper()
	require.NoError(t, b.DB.SaveSite(t.Context(), db.Site{Name: name}))
	site, err := b.DB.SiteByName(t.Context(), name)
	require.NoError(t, err)
	return site
}

func (b *removeBundle) load(t *testing.T, site db.Site, targets ...string) dbtest.Loaded {
	t.Helper()
	p := dbtest.Params(site.ID, dbtest.Rows(targets...))
	p.Force = true
	return dbtest.Load(t, b.DB, p)
}

// fill gives a site two batches that were sent, and a row of each table that belongs to
// sites.
func (b *removeBundle) fill(t *testing.T, site db.Site) {
	t.Helper()
	for range 2 {
		for _, id := range b.load(t, site, "a", "b").IDs {
			dbtest.Settle(t, b.DB, id, db.RowSucceeded)
		}
		b.load(t, site, "!c") // it has ended without a call
	}
	_, err := b.DB.CreateToken(t.Context(), db.NewToken{Name: site.Name, Role: db.TokenWrite, SiteID: &site.ID, Life: time.Hour})
	require.NoError(t, err)
	for _, sql := range []string{
		`event (kind, site_id) VALUES ('site paused', $1)`,
		`notice (site_id, url, event, detail) VALUES ($1, 'https://example.com', 'parked', '')`,
		`rule (site_id, name, definition) VALUES ($1, 'tidy', '{}')`,
		`site_locale (site_id, locale_id, tag) VALUES ($1, 'l', 'fr')`,
		`site_refusal (site_id, lane, reason) VALUES ($1, 'f', '')`,
		`asset_state (site_id, asset_id, read_at) VALUES ($1, 'a', now())`,
		`asset_folder (site_id, folder_id, display_name, path, read_at) VALUES ($1, 'f', 'F', 'F', now())`,
		`site_reading (site_id, began_at, assets, calls) VALUES ($1, now(), 1, 1)`,
		`api_key (token_id, key, hash, batch_id) SELECT t.id, 'k', 'h', b.id FROM api_token t JOIN batch b ON b.site_id = t.site_id
			WHERE t.site_id = $1 ORDER BY b.id LIMIT 1`,
		`river_job (state, queue, kind, args, max_attempts, finalized_at) SELECT 'completed', q || s.name, 'rename', '{}', 1, now()
			FROM site s, unnest(ARRAY['site-', 'sync-']) q WHERE s.id = $1`,
	} {
		dbtest.Exec(t, b.DB, "INSERT INTO "+sql, site.ID)
	}
}

// rows counts the rows of a site in each table that refers to sites or to what they have.
func (b *removeBundle) rows(t *testing.T, site db.Site) map[string]int {
	t.Helper()
	tables := dbtest.List[string](t, b.DB, `
		SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = 'relabel'::regnamespace AND c.relkind = 'r' AND a.attname = 'site_id'`)
	require.Greater(t, len(tables), 10)
	counts := map[string]int{}
	count := func(table, where string, arg any) {
		if n := dbtest.List[int](t, b.DB, "SELECT count(*)::int FROM "+table+" t WHERE "+where, arg)[0]; n > 0 {
			counts[table] = n
		}
	}
	for _, table := range tables {
		count(table, "site_id = $1", site.ID)
	}
	count("site", "id = $1", site.ID)
	count("attempt", "rename_id IN (SELECT id FROM rename WHERE site_id = $1)", site.ID)
	count("river_job", "queue LIKE '%-' || $1::text", site.Name)
	return counts
}

func (b *removeBundle) remove(t *testing.T, site db.Site) error {
	t.Helper()
	_, err := b.RemoveSite(t.Context(), usecase.Actor{Name: "ann", Via: usecase.ViaCommandLine}, site)
	return err
}

// A removed site leaves nothing but the audit log, and other sites keep all they have. The
// same name begins afresh.
func TestRemoveSite(t *testing.T) {
	b := setupRemove(t)
	b.fill(t, b.shop)
	b.fill(t, b.blog)
	kept := b.rows(t, b.blog)
	require.Subset(t, slices.Collect(keysOf(kept)), []string{"rename", "attempt", "batch", "event", "notice", "api_token", "asset_folder", "river_job", "site_refusal"})
	attempts := dbtest.List[int](t, b.DB, `SELECT count(*)::int FROM attempt`)[0]

	counted, err := b.SiteContents(t.Context(), b.shop)
	require.NoError(t, err)
	require.Equal(t, kept, b.rows(t, b.shop), "counting deletes nothing")
	counts, err := b.RemoveSite(t.Context(), usecase.Actor{Name: "ann", Via: usecase.ViaCommandLine}, b.shop)
	require.NoError(t, err)
	require.Equal(t, counted, counts)
	require.Empty(t, b.rows(t, b.shop))
	require.Equal(t, kept, b.rows(t, b.blog))
	require.Equal(t, attempts/2, dbtest.List[int](t, b.DB, `SELECT count(*)::int FROM attempt`)[0])
	require.Equal(t, 1, dbtest.List[int](t, b.DB, `SELECT count(*)::int FROM api_key`)[0], "that of the other site")
	require.ErrorIs(t, b.remove(t, b.shop), db.ErrNoSite)

	entries, err := records.AuditEntries(t.Context(), b.DB, "site shop", 0, 10)
	require.NoError(t, err)
	require.Equal(t, "remove", entries[1].Action)
	require.Equal(t, retention.Total(counts), *entries[1].Rows)
	require.Equal(t, "done", *entries[1].Result)

	_, err = b.DB.Load(t.Context(), dbtest.Params(b.shop.ID, dbtest.Rows("a")))
	require.ErrorIs(t, err, db.ErrNoSite, "a load that found the site before")
	again := b.add(t, "shop")
	l := b.load(t, again, "a")
	require.Equal(t, []int64{1}, dbtest.List[int64](t, b.DB, `SELECT acceptance FROM batch WHERE id = $1`, l.Batch))
	require.Equal(t, []string{"pending"}, dbtest.List[string](t, b.DB, `SELECT status FROM rename WHERE id = $1`, l.IDs[0]))
}

func keysOf(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Each thing that keeps a site from being removed is named, and nothing is deleted.
func TestRemoveSiteRefused(t *testing.T) {
	b := setupRemove(t)
	site, err := b.DB.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	require.ErrorIs(t, b.remove(t, site), db.ErrSiteStays)

	b.fill(t, b.shop)
	refused := func(text string) {
		t.Helper()
		before := b.rows(t, b.shop)
		for range 2 {
			err := b.remove(t, b.shop)
			require.ErrorAs(t, err, new(*db.SiteUsedError))
			require.ErrorContains(t, err, "site shop can't be removed: "+text)
			_, err = b.SiteContents(t.Context(), b.shop)
			require.ErrorContains(t, err, text)
		}
		require.Equal(t, before, b.rows(t, b.shop))
	}
	p := dbtest.Params(b.shop.ID, dbtest.Rows("a"))
	p.Planned = true
	plan, paused, sending := dbtest.Load(t, b.DB, p), b.load(t, b.shop, "d"), b.load(t, b.shop, "e")
	_, err = b.DB.PauseBatch(t.Context(), paused.Batch, nil)
	require.NoError(t, err)
	refused("these batches have not ended: 5, 6, 7")

	claim := dbtest.Claim(t, b.DB, sending.IDs[0])
	require.NoError(t, b.DB.Discard(t.Context(), plan.Batch))
	for _, id := range []int64{paused.Batch, sending.Batch} {
		_, err = b.DB.CancelBatch(t.Context(), id, nil)
		require.NoError(t, err)
	}
	refused("these batches are just ending: 7")
	_, _, err = b.DB.Turn(t.Context(), db.ClaimParams{}, db.FinishParams{
		ProcessID: "p1", Finishes: []db.Finish{dbtest.Answer(claim, db.RowSucceeded)}, Quarantine: time.Hour,
	})
	require.NoError(t, err)

	dbtest.Exec(t, b.DB, `INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up) VALUES ('nightly', $1, '@daily', 'UTC', '/n.csv', '1 h')`, b.shop.ID)
	refused("these schedules use it: nightly")
	dbtest.Exec(t, b.DB, `DELETE FROM schedule`)

	tx, err := b.DB.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `INSERT INTO batch (site_id, name, source) VALUES ($1, 'slow', 'slow.csv')`, b.shop.ID)
	require.NoError(t, err)
	refused("rows are being loaded into it")
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, b.remove(t, b.shop))
}

// A call of an ended row might still land, so its batch stays until then, and the site too.
func TestRemoveSiteWaitsForCalls(t *testing.T) {
	b := setupRemove(t)
	b.fill(t, b.shop)
	dbtest.Exec(t, b.DB, `UPDATE rename SET unknown_until = now() + interval '1 min' WHERE batch_id = 1`)
	require.ErrorContains(t, b.remove(t, b.shop), "these batches are just ending: 1")
	dbtest.Exec(t, b.DB, `UPDATE rename SET unknown_until = now() - interval '1 s'`)
	require.NoError(t, b.remove(t, b.shop))
	require.Empty(t, b.rows(t, b.shop))
}

// held starts to remove the shop, and holds it up at a lock. Its error comes from the
// channel that is returned.
func (b *removeBundle) held(t *testing.T, ctx context.Context, lock string) (removed chan error, release func()) {
	t.Helper()
	tx, err := b.DB.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), lock)
	require.NoError(t, err)
	removed = make(chan error, 1)
	go func() {
		_, err := b.RemoveSite(ctx, usecase.Actor{Name: "ann", Via: usecase.ViaCommandLine}, b.shop)
		removed <- err
	}()
	require.Eventually(t, func() bool {
		return dbtest.List[bool](t, b.DB, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)[0]
	}, time.Minute, 5*time.Millisecond)
	return removed, func() { require.NoError(t, tx.Rollback(t.Context())) }
}

// What is loaded while the site is being removed stays, and so does the site.
func TestRemoveSiteNoticesALoad(t *testing.T) {
	b := setupRemove(t)
	b.fill(t, b.shop)
	removed, release := b.held(t, t.Context(), `SELECT pg_advisory_xact_lock(hashtext('relabel prune'))`)
	l := b.load(t, b.shop, "a")
	release()
	err := <-removed
	require.ErrorAs(t, err, new(*db.SiteUsedError))
	require.ErrorContains(t, err, "these batches have not ended: 5")
	require.Equal(t, []int64{l.Batch}, dbtest.List[int64](t, b.DB, `SELECT id FROM batch WHERE site_id = $1`, b.shop.ID))
	require.Equal(t, l.IDs, dbtest.List[int64](t, b.DB, `SELECT id FROM rename WHERE site_id = $1`, b.shop.ID))
	_, err = b.DB.CancelBatch(t.Context(), l.Batch, nil)
	require.NoError(t, err)
	require.NoError(t, b.remove(t, b.shop))
	require.Empty(t, b.rows(t, b.shop))
}

// Rows go in chunks that are committed one by one. A removal that is stopped leaves a site
// that the same call removes.
func TestRemoveSiteGoesOn(t *testing.T) {
	b := setupRemove(t)
	const rows = 3000
	l := b.load(t, b.shop, strings.Fields(strings.Repeat("a ", rows))...)
	_, err := b.DB.CancelBatch(t.Context(), l.Batch, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	removed, release := b.held(t, ctx, `SELECT FROM rename WHERE id = (SELECT max(id) FROM rename) FOR UPDATE`)
	left := b.rows(t, b.shop)["rename"]
	require.Less(t, left, rows, "the first chunks are committed")
	require.Positive(t, left)
	cancel()
	require.ErrorIs(t, <-removed, context.Canceled)
	release()
	require.Equal(t, 1, b.rows(t, b.shop)["site"])
	require.NoError(t, b.remove(t, b.shop))
	require.Empty(t, b.rows(t, b.shop))
}

// Others load and cancel beside it. A load either ended before the site was removed, or fails
// because there is no such site; no row is left of either.
func TestRemoveSiteBesideLoads(t *testing.T) {
	b := setupRemove(t)
	b.fill(t, b.shop)
	all := pool.New().WithErrors().WithContext(t.Context()).WithCancelOnError()
	for range 3 {
		all.Go(func(ctx context.Context) error {
			for range 6 {
				p := dbtest.Params(b.shop.ID, dbtest.Rows("a", "b"))
				p.Force = true
				id, err := b.DB.Load(ctx, p)
				if errors.Is(err, db.ErrNoSite) {
					return nil
				}
				if err == nil {
					_, err = b.DB.CancelBatch(ctx, id, nil)
				}
				superseded := errors.As(err, new(*db.BatchStateError)) || errors.As(err, new(db.NoBatchError))
				if err != nil && !superseded {
					return err
				}
			}
			return nil
		})
	}
	all.Go(func(ctx context.Context) error {
		for {
			_, err := b.RemoveSite(ctx, usecase.Actor{Name: "ann", Via: usecase.ViaCommandLine}, b.shop)
			if !errors.As(err, new(*db.SiteUsedError)) {
				return err
			}
		}
	})
	require.NoError(t, all.Wait())
	require.Empty(t, b.rows(t, b.shop))
	require.Zero(t, dbtest.List[int](t, b.DB, `SELECT count(*)::int FROM attempt`)[0])
}
