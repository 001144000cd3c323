package cli

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/rehearsal"
	"relabel/internal/schedule"
	"relabel/internal/text"
	"relabel/jobs"
)

const (
	// sitesEvery is how often a worker looks for sites that were added, changed or removed.
	sitesEvery = 4 * time.Second

	// tokensEvery is how often it also reads the tokens of all its sites again: a file may
	// have a new one.
	tokensEvery = 20 * time.Second

	// sitesAtOnce is how many sites change at the same time: a site is left only when its
	// calls in flight have ended, which others need not wait for.
	sitesAtOnce = 8
)

// workSites keeps a worker's sites as the database and the environment have them, while it
// runs.
type workSites struct {
	app     *app
	s       *session
	flags   workFlags
	names   []string // nil: all
	working *workers
	watch   *workWatch

	read time.Time         // when the tokens were last read
	told map[string]string // why a site or its new settings are not worked, by site

	mu     sync.Mutex
	worked map[string]jobs.SiteConfig // by name
}

// follow starts w, and returns after the first look (see jobs.Pool.Start), which says which
// sites can't be worked. stop ends it, and waits.
func (w *workSites) follow(ctx context.Context, sites []jobs.SiteConfig) (stop func()) {
	w.read, w.told, w.worked = time.Now(), map[string]string{}, map[string]jobs.SiteConfig{}
	for _, s := range sites {
		w.worked[s.Site.Name] = s
	}
	if w.app.site != allSites {
		w.names = slices.Collect(maps.Keys(w.worked))
	}
	ctx, cancel := context.WithCancel(ctx)
	w.tryLook(ctx)
	var done sync.WaitGroup
	done.Go(func() { w.run(ctx) })
	return func() { cancel(); done.Wait() }
}

func (w *workSites) run(ctx context.Context) {
	tick := time.NewTicker(sitesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.tryLook(ctx)
	}
}

func (w *workSites) tryLook(ctx context.Context) {
	if err := w.look(ctx); err != nil && ctx.Err() == nil {
		w.app.log.Warn("changes of sites wait for the database", "error", err)
	}
}

// look compares the sites with those that are worked, and changes these.
func (w *workSites) look(ctx context.Context) error {
	wanted, err := w.wanted(ctx)
	if err != nil {
		return err
	}
	again := time.Since(w.read) >= tokensEvery
	if again {
		w.read = time.Now()
	}
	changes := pool.New().WithMaxGoroutines(sitesAtOnce)
	worked := w.snapshot()
	for name, old := range worked {
		if wanted[name].ID != old.Site.ID {
			changes.Go(func() { w.forget(ctx, old) })
			delete(wanted, name) // a new site of this name waits for the next look
		}
	}
	for name, site := range wanted {
		var old *jobs.SiteConfig
		if now, ok := worked[name]; ok {
			old = &now
		}
		if cfg, changed := w.change(site, old, again); changed {
			changes.Go(func() { w.replace(ctx, old, cfg) })
		}
	}
	changes.Wait()
	w.watch.follow(slices.SortedFunc(maps.Values(w.snapshot()), byName))
	return nil
}

func byName(a, b jobs.SiteConfig) int { return cmp.Compare(a.Site.Name, b.Site.Name) }

func (w *workSites) snapshot() map[string]jobs.SiteConfig {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.worked)
}

func (w *workSites) wanted(ctx context.Context) (map[string]db.Site, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	all, err := w.s.SiteSettings(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]db.Site{}
	for _, site := range all {
		if !rehearsal.IsStandIn(site.Name) && (w.names == nil || slices.Contains(w.names, site.Name)) {
			wanted[site.Name] = site
		}
	}
	return wanted, nil
}

// change returns how a site is to be worked, if that is new. A site whose new settings
// can't be used keeps the old ones.
func (w *workSites) change(site db.Site, old *jobs.SiteConfig, again bool) (cfg jobs.SiteConfig, changed bool) {
	same := old != nil && sameSettings(old.Site, site)
	if same && !again {
		return cfg, false
	}
	cfg, err := w.app.siteConfig(site)
	if err != nil {
		w.tell(site.Name, err)
		return cfg, false
	}
	delete(w.told, site.Name)
	return cfg, !same || cfg.Lane != old.Lane
}

// tell logs why a site is not worked, once.
func (w *workSites) tell(name string, err error) {
	if why := err.Error(); w.told[name] != why {
		w.told[name] = why
		w.app.log.Warn("a site's settings can't be used: correct what the error names; after setting a variable, restart this process", "error", err)
	}
}

// sameSettings compares what workers need of a site.
func sameSettings(a, b db.Site) bool {
	of := func(s db.Site) [6]string {
		return [...]string{
			text.Deref(s.WebflowSiteID), text.Deref(s.TokenEnv), text.Deref(s.TokenFile), text.Deref(s.APIURL),
			text.Deref(s.RateLimit), text.Deref(s.LocaleIn),
		}
	}
	return of(a) == of(b)
}

// replace begins to work a site. If it was worked with other settings, it leaves it first.
func (w *workSites) replace(ctx context.Context, old *jobs.SiteConfig, cfg jobs.SiteConfig) {
	if old != nil {
		w.remove(ctx, *old)
	}
	w.app.collectLess([]jobs.SiteConfig{cfg}, w.flags)
	w.working.schedules.Add(cfg)
	if err := w.working.pool.Add(ctx, cfg, schedule.QueuesOf(cfg.Site.Name)); err != nil {
		w.working.schedules.Remove(cfg.Site.ID)
		if ctx.Err() == nil { // the next look tries again
			w.app.log.Warn("a site can't be worked yet", "site", cfg.Site.Name, "error", err)
		}
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.worked[cfg.Site.Name] = cfg
	w.app.note("working on site %s%s", cfg.Site.Name, map[bool]string{true: " with its new settings"}[old != nil])
}

// forget leaves a site that was removed from the database.
func (w *workSites) forget(ctx context.Context, old jobs.SiteConfig) {
	w.remove(ctx, old)
	w.app.metrics.Forget(old.Site.Name)
	w.app.note("site %s is removed; this process has left it", old.Site.Name)
}

func (w *workSites) remove(ctx context.Context, old jobs.SiteConfig) {
	w.working.schedules.Remove(old.Site.ID)
	w.working.pool.Remove(ctx, old.Site, slices.Collect(maps.Keys(schedule.QueuesOf(old.Site.Name))))
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.worked, old.Site.Name)
}

// namedSites reads --site: a name, several with commas between, or all. Of all sites those
// that can't be worked are left out with lenient, if others can.
func (a *app) namedSites(ctx context.Context, s *session, lenient bool) ([]jobs.SiteConfig, error) {
	names, err := a.siteNames(ctx, s)
	if err != nil {
		return nil, err
	}
	var sites []jobs.SiteConfig
	var failed []error
	for _, name := range names {
		cfg, err := a.namedSite(ctx, s, name)
		if err == nil {
			sites = append(sites, cfg)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil && (!lenient || a.site != allSites || len(sites) == 0) {
		return nil, cmp.Or(failed...)
	}
	return sites, nil
}

const allSites = "all"

// siteNames are the names of --site, sorted.
func (a *app) siteNames(ctx context.Context, s *session) (names []string, err error) {
	if a.site != allSites {
		for _, name := range strings.Split(a.site, ",") {
			names = append(names, strings.TrimSpace(name))
		}
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	all, err := s.SiteSettings(ctx)
	for _, site := range all {
		if !rehearsal.IsStandIn(site.Name) {
			names = append(names, site.Name)
		}
	}
	return names, err
}
