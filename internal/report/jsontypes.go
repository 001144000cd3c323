package report

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/notice"
	"relabel/internal/records"
	"relabel/internal/text"
)

// The types of JSON that commands print and the API answers with, beside those of the
// packages that know more of them.

// ProblemView is a problem of a source.
type ProblemView struct {
	Line    int64   `json:"line"`
	Column  *string `json:"column"` // null: the whole row
	Value   *string `json:"value"`
	Message string  `json:"message"`
}

// NewProblemView shows a problem.
func NewProblemView(p intake.Problem) ProblemView {
	return ProblemView{p.Line, text.NilIfEmpty(p.Column), text.NilIfEmpty(p.Value), p.Message}
}

// BatchList is a list of batches.
type BatchList struct {
	Batches []Batch `json:"batches"`
}

// RetriedBatch is what came of retrying a batch.
type RetriedBatch struct {
	Batch int64 `json:"batch"`
	db.Retried
}

// RowList is a page of rows.
type RowList struct {
	List       []records.Row `json:"rows"`        // jobs is its older name
	NextCursor *string       `json:"next_cursor"` // null: this is the last page. next is its older name
	records.RowPage
}

// NewRowList shows a page of rows.
func NewRowList(p records.RowPage) RowList { return RowList{p.Rows, text.NilIfEmpty(p.Next), p} }

// SiteList is a list of sites.
type SiteList struct {
	Sites []SiteView `json:"sites"`
}

// SiteView is a site with its settings and its state.
type SiteView struct {
	Site          string     `json:"site"`
	Name          string     `json:"name"` // the older name of site
	WebflowSiteID *string    `json:"webflow_site_id"`
	TokenEnv      *string    `json:"token_env"`
	TokenFile     *string    `json:"token_file"`
	APIURL        *string    `json:"api_url"`
	RateLimit     *string    `json:"rate_limit"`
	LocaleIn      *string    `json:"locale_in"`
	Keep          *string    `json:"keep"`   // null: everything
	Notify        []string   `json:"notify"` // where notices go, without secrets
	State         string     `json:"state"`
	ParkedAt      *time.Time `json:"parked_at"`
	ParkedReason  *string    `json:"parked_reason"`
	RefusedIn     *string    `json:"refused_in"` // the processes that still have a refused token
	PausedAt      *time.Time `json:"paused_at"`
	BreakerError  *string    `json:"breaker_error"`
	Lane          *LaneView  `json:"lane"` // null: the site was never worked

	Limit string `json:"-"` // of the lane, for people
}

// LaneView is what a site's token may do.
type LaneView struct {
	Limit          int     `json:"limit"` // 0: none
	WindowSeconds  float64 `json:"window_seconds"`
	Used           int     `json:"used"`
	UsedByOthers   int     `json:"used_by_others"`
	BlockedSeconds float64 `json:"blocked_seconds"`
}

// ReadSite reads the state of a site.
func ReadSite(ctx context.Context, d *db.DB, site db.Site) (SiteView, error) {
	v := SiteView{
		Site: site.Name, Name: site.Name, WebflowSiteID: site.WebflowSiteID, TokenEnv: site.TokenEnv, TokenFile: site.TokenFile,
		APIURL: site.APIURL, RateLimit: site.RateLimit, LocaleIn: site.LocaleIn, Keep: site.Keep, Notify: notice.ShownAll(site.NotifyURLs),
		State: SiteState(site), ParkedAt: site.ParkedAt, ParkedReason: site.ParkedReason, RefusedIn: site.RefusedIn, PausedAt: site.PausedAt,
		Limit: "not known yet",
	}
	if site.BreakerOpen {
		v.BreakerError = site.BreakerError
	}
	lane, known, err := records.Lane(ctx, d, site.Name)
	if err != nil || !known {
		return v, err
	}
	v.Limit = Rate(lane)
	v.Lane = &LaneView{
		Limit: lane.Limit, WindowSeconds: lane.Window.Seconds(), Used: lane.Used,
		UsedByOthers: lane.Foreign, BlockedSeconds: lane.Blocked.Seconds(),
	}
	return v, nil
}

// SiteState is the state of a site in a few words.
func SiteState(s db.Site) string {
	switch {
	case s.ParkedAt != nil:
		return "parked: " + text.Deref(s.ParkedReason)
	case s.PausedAt != nil:
		return "paused"
	case s.BreakerOpen:
		return "its API fails: " + text.Deref(s.BreakerError)
	case s.RefusedIn != nil:
		return "ready; " + Refused(*s.RefusedIn)
	}
	return "ready"
}
