package schedule

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"relabel/jobs"
)

// newTurns adds a site; start begins its turns.
func (r *Runner) newTurns(s jobs.SiteConfig) *siteTurns {
	t := &siteTurns{
		runner: r, site: s, wake: make(chan struct{}, 1), tidyWake: make(chan struct{}, 1), atOnce: r.atOnce, tidies: r.tidies,
	}
	t.gone, t.remove = context.WithCancel(r.stopping)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns[s.Site.ID] = t
	return t
}

func (t *siteTurns) start() {
	t.runner.loops.Go(func() { t.takeAll(t.gone) })
	t.runner.loops.Go(func() { t.tidyAll(t.gone) })
}

// Add begins to run a site's schedules, before the pool begins to work the site.
func (r *Runner) Add(s jobs.SiteConfig) { r.newTurns(s).start() }

// Remove releases the site's runs, so that another process continues them, and starts no
// more. The pool's Remove waits for them.
func (r *Runner) Remove(site int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.turns[site]; t != nil {
		t.remove()
		delete(r.turns, site)
	}
}

// turnsOf returns the turns of a site; nil if this process does not work it.
func (r *Runner) turnsOf(site int) *siteTurns {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turns[site]
}

// allTurns returns the turns of all sites, in the sites' order.
func (r *Runner) allTurns() []*siteTurns {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.turns), func(a, b *siteTurns) int { return cmp.Compare(a.site.Site.ID, b.site.Site.ID) })
}

// Sites returns the sites that the process works now.
func (r *Runner) Sites() (ids []int) {
	for _, t := range r.allTurns() {
		ids = append(ids, t.site.Site.ID)
	}
	return ids
}

// tokens returns the fingerprint of each site's token.
func (r *Runner) tokens() map[int]string {
	tokens := map[int]string{}
	for _, t := range r.allTurns() {
		tokens[t.site.Site.ID] = t.site.Lane.Fingerprint
	}
	return tokens
}
