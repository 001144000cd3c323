package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/rehearsal"
	"relabel/internal/report"
	"relabel/internal/terminal"
)

func (a *app) siteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "site",
		Short: "Sites: where each token is found, its limit, whether it is parked",
		Long: `A site is a Webflow site and the token it is reached with, which is named (an environment
variable or a file) and never stored. The site "default" exists from the start and uses
WEBFLOW_TOKEN. Sites that share a token share its rate limit.

A site is parked when the API refuses its token (401 or 403): its rows wait. Mend the token,
then: relabel site resume.`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		a.siteSubcommand("list", "All sites", "no arguments", a.siteList),
		a.siteSetCommand(), a.siteCheckCommand(), a.sitePauseCommand(),
		a.siteSubcommand("resume", "Go on with a parked or paused site", "no arguments; --site names the site", a.siteResume),
	)
	return cmd
}

func (a *app) siteSubcommand(use, short, args string, run func(context.Context, *session) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: noArgs(args), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withSession(cmd.Context(), run) },
	}
}

// siteView is a site as it is shown.
type siteView struct {
	Name          string     `json:"name"`
	WebflowSiteID *string    `json:"webflow_site_id"`
	TokenEnv      *string    `json:"token_env"`
	TokenFile     *string    `json:"token_file"`
	APIURL        *string    `json:"api_url"`
	RateLimit     *string    `json:"rate_limit"`
	LocaleIn      *string    `json:"locale_in"`
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
		Name: site.Name, WebflowSiteID: site.WebflowSiteID, TokenEnv: site.TokenEnv, TokenFile: site.TokenFile,
		APIURL: site.APIURL, RateLimit: site.RateLimit, LocaleIn: site.LocaleIn,
		State: siteState(site), ParkedAt: site.ParkedAt, ParkedReason: site.ParkedReason, RefusedIn: site.RefusedIn, PausedAt: site.PausedAt,
		limit: "not known yet",
	}
	if site.BreakerOpen {
		v.BreakerError = site.BreakerError
	}
	lane, known, err := s.Lane(ctx, site.Name)
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

func (a *app) siteList(ctx context.Context, s *session) error {
	sites, err := s.Sites(ctx)
	if err != nil {
		return err
	}
	views := make([]siteView, len(sites))
	for i, site := range sites {
		if views[i], err = s.siteView(ctx, site); err != nil {
			return err
		}
	}
	if a.json {
		return a.result.print(map[string]any{"sites": views})
	}
	t := terminal.Table{Columns: []terminal.Column{{Name: "SITE", Need: 1}, {Name: "LIMIT", Need: 2}, {Name: "TOKEN FROM", Need: 4}, {Name: "STATE", Text: true}}}
	for _, v := range views {
		t.Rows = append(t.Rows, []string{v.Name, v.limit, tokenFrom(v), v.State})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}

// printSite ends a command that changed a site: with --json the site, else a
// line that says what happened.
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

func tokenFrom(v siteView) string {
	switch {
	case rehearsal.IsStandIn(v.Name):
		return "(a stand-in)"
	case v.TokenFile != nil:
		return "file " + *v.TokenFile
	case v.TokenEnv != nil:
		return *v.TokenEnv
	}
	return "WEBFLOW_TOKEN or WEBFLOW_TOKEN_FILE"
}
