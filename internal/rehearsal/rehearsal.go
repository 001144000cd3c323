// Package rehearsal owns the sites of stand-ins: sites that relabel's own commands
// work against a stand-in for the API on this machine, never against Webflow.
//
// Take reserves such a site for one run. Runs at the same time get a site each:
// demo, demo-2 and so on. Their rows stay apart from the record of real sites, and
// no token is looked up for them, so no real API ever gets these rows.
//
// Start starts the stand-in that `relabel run --rehearse` sends a user's rows to.
// Package standin is the stand-in itself; package demo plays the demo with it.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// Names of the sites, to which a number may be added.
const (
	Site     = "rehearsal"
	DemoSite = "demo"
)

// maxRuns is how many runs may go on at once.
const maxRuns = 100

var sitePattern = regexp.MustCompile(`^(` + DemoSite + `|` + Site + `)(-[0-9]+)?$`)

// IsStandIn reports whether a site's name is reserved for stand-ins.
func IsStandIn(site string) bool { return sitePattern.MatchString(site) }

// Start starts a stand-in that knows every asset it is asked for. Its limit is rate.
func Start(rate config.Rate) (*standin.Server, error) {
	server, err := standin.Start(standin.Config{CreateUnknown: true, Limit: rate.Calls, Window: rate.Window})
	if err != nil {
		return nil, fmt.Errorf("error starting the stand-in API: %w", err)
	}
	return server, nil
}

// Lease is a site that one run has for itself until it releases it.
type Lease struct {
	Site    db.Site // with the stand-in's address, which is not stored
	Token   webflow.Token
	Release func()
}

// Take reserves a site of that name for a stand-in at url. The site's token is new, so
// that its lane has no earlier calls.
func Take(ctx context.Context, d *db.DB, name, url string) (Lease, error) {
	token, err := webflow.NewToken("stand-in-" + uuid.NewString())
	if err != nil {
		return Lease{}, fmt.Errorf("error making a token: %w", err)
	}
	site, release, err := reserve(ctx, d, name)
	if err != nil {
		return Lease{}, err
	}
	site.APIURL = &url
	return Lease{Site: site, Token: token, Release: release}, nil
}

// reserve finds the first number for a name that no other run holds.
func reserve(ctx context.Context, d *db.DB, base string) (db.Site, func(), error) {
	for n := 1; n <= maxRuns; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		release, ok, err := d.TryHold(ctx, name)
		if err != nil {
			return db.Site{}, nil, err
		}
		if !ok {
			continue
		}
		site, err := cleanSite(ctx, d, name)
		if err != nil {
			release()
			return db.Site{}, nil, err
		}
		return site, release, nil
	}
	return db.Site{}, nil, fmt.Errorf("%d runs against stand-ins are going on in this database: wait for one to end", maxRuns)
}

// cleanSite makes the site if necessary, and cancels the rows that a killed run left.
func cleanSite(ctx context.Context, d *db.DB, name string) (db.Site, error) {
	site, err := d.SiteByName(ctx, name)
	if errors.Is(err, db.ErrNoSite) {
		if err = d.SaveSite(ctx, db.Site{Name: name}); err == nil {
			site, err = d.SiteByName(ctx, name)
		}
	}
	if err != nil {
		return site, err
	}
	return site, d.Abandon(ctx, site.ID, "left over from an earlier stand-in")
}
