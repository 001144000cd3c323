package cli

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

// siteView is a site as commands print it.
type siteView struct {
	Site          string     `json:"site"`
	Name          string     `json:"name"` // the older name of site
	WebflowSiteID *string    `json:"webflow_site_id"`
	TokenEnv      *string    `json:"token_env"`
	TokenFile     *string    `json:"token_file"`
	APIURL        *string    `json:"api_url"`
	RateLimit     *string    `json:"rate_limit"`
	LocaleIn      *string    `json:"locale_in"`
	Keep          *string    `json:"keep"` // null: everything
	State         string     `json:"state"`
	ParkedAt      *time.Time `json:"parked_at"`
	ParkedReason  *string    `json:"parked_reason"`
	RefusedIn     *string    `json:"refused_in"` // the processes that still have a refused token
	PausedAt      *time.Time `json:"paused_at"`
	BreakerError  *string    `json:"breaker_error"`
	Lane          *laneView  `json:"lane"` // null: the site was never worked

	limit string // of the lane, for people
}

type laneView struct {
	Limit          int     `json:"limit"` // 0: none
	WindowSeconds  float64 `json:"window_seconds"`
	Used           int     `json:"used"`
	UsedByOthers   int     `json:"used_by_others"`
	BlockedSeconds float64 `json:"blocked_seconds"`
}

func (s *session) siteView(ctx context.Context, site db.Site) (siteView, error) {
	v := siteView{
		Site: site.Name, Name: site.Name, WebflowSiteID: site.WebflowSiteID, TokenEnv: site.TokenEnv, TokenFile: site.TokenFile,
		APIURL: site.APIURL, RateLimit: site.RateLimit, LocaleIn: site.LocaleIn, Keep: site.Keep,
		State: siteState(site), ParkedAt: site.ParkedAt, ParkedReason: site.ParkedReason, RefusedIn: site.RefusedIn, PausedAt: site.PausedAt,
		limit: "not known yet",
	}
	if site.BreakerOpen {
		v.BreakerError = site.BreakerError
	}
	lane, known, err := records.Lane(ctx, s.DB, site.Name)
	if err != nil || !known {
		return v, err
	}
	v.limit = report.Rate(lane)
	v.Lane = &laneView{
		Limit: lane.Limit, WindowSeconds: lane.Window.Seconds(), Used: lane.Used,
		UsedByOthers: lane.Foreign, BlockedSeconds: lane.Blocked.Seconds(),
	}
	return v, nil
}

// stateText is the state for people: of a parked site also since when, and what to do.
func (v siteView) stateText() string {
	if v.ParkedAt != nil {
		return report.ParkedSince(v.Site, text.Deref(v.ParkedReason), *v.ParkedAt, time.Now())
	}
	return v.State
}

// printSite ends a command that changed a site. It prints the site (with --json) or
// what happened.
func (a *app) printSite(ctx context.Context, s *session, text string) error {
	if !a.json {
		a.note("%s", text)
		return nil
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	v, err := s.siteView(ctx, site)
	if err != nil {
		return err
	}
	return a.result.print(v)
}

func siteState(s db.Site) string {
	switch {
	case s.ParkedAt != nil:
		return "parked: " + text.Deref(s.ParkedReason)
	case s.PausedAt != nil:
		return "paused"
	case s.BreakerOpen:
		return "its API fails: " + text.Deref(s.BreakerError)
	case s.RefusedIn != nil:
		return "ready; " + report.Refused(*s.RefusedIn)
	}
	return "ready"
}
