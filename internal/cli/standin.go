package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/report"
	"relabel/internal/standin"
	"relabel/internal/text"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// Sites that are worked against stand-ins. They are apart from the record of
// real sites, and no real API ever gets their rows: no token is looked up for
// them. Several runs at once have one each: demo, demo-2 and so on.
const (
	rehearsalSite = "rehearsal"
	demoSite      = "demo"

	maxStandIns = 100 // runs at once
)

var standInPattern = regexp.MustCompile(`^(demo|rehearsal)(-[0-9]+)?$`)

func isStandIn(site string) bool { return standInPattern.MatchString(site) }

func noStandIn(site string) error {
	if !isStandIn(site) {
		return nil
	}
	return usageError("--site: %s is for stand-ins (relabel demo, relabel run --rehearse): name another site", site)
}

// rehearse runs the user's rows against a stand-in that knows every asset it is
// asked for. Without WEBFLOW_RATE_LIMIT it has no limit: a rehearsal is to see
// every row pass, not to wait.
func (a *app) rehearse(ctx context.Context, s *session, p runParams) error {
	rate := config.Rate{Window: time.Minute}
	if a.cfg.RateGiven {
		rate = a.cfg.Rate
	}
	server, err := standin.Start(standin.Config{CreateUnknown: true, Limit: rate.Calls, Window: rate.Window})
	if err != nil {
		return fmt.Errorf("error starting the stand-in API: %w", err)
	}
	defer server.Close()
	a.note("rehearsal: these rows go to a stand-in on this machine, not to Webflow")
	site, release, err := a.standInSite(ctx, s, standIn{site: rehearsalSite, url: server.URL(), rate: rate})
	if err != nil {
		return err
	}
	defer release()
	v, err := a.loadAndWork(ctx, s, site, p)
	if err != nil {
		return err
	}
	return standInEnd(ctx, v)
}

// standInEnd is batchEnd for a batch that nobody goes on with.
func standInEnd(ctx context.Context, v report.Batch) error {
	if ctx.Err() != nil && v.Cancelled > 0 {
		return exitErr{exitError, fmt.Sprintf("stopped: the stand-in is gone, so the last %s of batch %d are cancelled",
			text.Plural(v.Cancelled, "row", "rows"), v.Batch)}
	}
	return batchEnd(v)
}

// standIn is a stand-in API and the site that is worked against it.
type standIn struct {
	site string
	url  string
	rate config.Rate
}

// standInSite takes a site that no other run has, and gives it a token that is
// made for this once, so that its lane begins empty.
func (a *app) standInSite(ctx context.Context, s *session, in standIn) (jobs.SiteConfig, func(), error) {
	site, release, err := s.takeStandIn(ctx, in.site)
	if err != nil {
		return jobs.SiteConfig{}, nil, err
	}
	token, err := webflow.NewToken("stand-in-" + uuid.NewString())
	if err != nil {
		release()
		return jobs.SiteConfig{}, nil, fmt.Errorf("error making a token: %w", err)
	}
	site.APIURL = &in.url // for this run; the row keeps none
	cfg, err := a.siteWith(site, token, in.rate)
	if err != nil {
		release()
		return jobs.SiteConfig{}, nil, err
	}
	return cfg, release, nil
}

// takeStandIn finds the first site of that name and a number that nobody holds,
// or makes it. What a killed run left there is cancelled.
func (s *session) takeStandIn(ctx context.Context, base string) (db.Site, func(), error) {
	for n := 1; n <= maxStandIns; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		release, ok, err := s.TryHold(ctx, name)
		if err != nil {
			return db.Site{}, nil, err
		}
		if !ok {
			continue
		}
		site, err := s.cleanStandIn(ctx, name)
		if err != nil {
			release()
			return db.Site{}, nil, err
		}
		return site, release, nil
	}
	return db.Site{}, nil, fmt.Errorf("%d runs against stand-ins are going on in this database: wait for one to end", maxStandIns)
}

func (s *session) cleanStandIn(ctx context.Context, name string) (db.Site, error) {
	site, err := s.SiteByName(ctx, name)
	if errors.Is(err, db.ErrNoSite) {
		if err = s.SaveSite(ctx, db.Site{Name: name}); err == nil {
			site, err = s.SiteByName(ctx, name)
		}
	}
	if err != nil {
		return site, err
	}
	return site, s.Abandon(ctx, site.ID, "left over from an earlier stand-in")
}
