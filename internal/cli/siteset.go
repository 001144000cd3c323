package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/notice"
	"relabel/internal/text"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
)

// siteSettings are the flags of `site set`. Only given ones change something.
type siteSettings struct {
	siteID, tokenEnv, tokenFile, apiURL, rate, localeIn, keep string
	notify                                                    []string
}

func (a *app) siteSetCommand() *cobra.Command {
	var o siteSettings
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Create a site or change its settings",
		Long: `Creates the site of --site, or changes the settings that are given. An empty value restores the
default. The token itself is never stored: name the variable or file that holds it. Workers use
these settings only as far as their environment allows: see RELABEL_API_HOSTS, RELABEL_TOKEN_ENV
and RELABEL_TOKEN_DIRS in relabel help environment.`,
		Example: `  relabel site set --site shop --token-env SHOP_WEBFLOW_TOKEN --rate 120/1m
  relabel site set --site-id 65a1f2c3d4e5f60718293a4b
  relabel site set --notify https://hooks.slack.com/services/... --notify "smtps://USER@HOST?to=ADDRESS"`,
		Args:              noArgs("no arguments; --site names the site"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(a, cmd.Flags().Changed); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.siteSet(ctx, s, cmd, o)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.siteID, "site-id", "", "Webflow's `ID` of the site, 24 hexadecimal digits: needed to read the site (pull, rename, and quick plans) and to look up locale tags")
	f.StringVar(&o.tokenEnv, "token-env", "", "`NAME` of the environment variable that holds the token (default WEBFLOW_TOKEN)")
	f.StringVar(&o.tokenFile, "token-file", "", "`FILE` that holds the token")
	f.StringVar(&o.apiURL, "api-url", "", "`URL` of the API (default $WEBFLOW_API_URL, else "+webflow.DefaultBaseURL+")")
	f.StringVar(&o.rate, "rate", "", "`LIMIT`: CALLS/WINDOW such as 120/1m, none, or learn (default $WEBFLOW_RATE_LIMIT, else learn)")
	f.StringVar(&o.localeIn, "locale-in", "", "`WHERE` a call has the locale: both, body or query (default both)")
	f.StringVar(&o.keep, "keep", "", "`AGE` such as 400d: relabel work deletes what ended longer ago, as relabel prune does (default: keep all)")
	f.StringArrayVar(&o.notify, "notify", nil, "send notices about the site and its batches to this `URL`, a web hook or a mail server; may be repeated, and replaces the earlier ones (see docs/operations.md)")
	return cmd
}

// siteSetting is a flag of `site set`, its value, and what it sets.
type siteSetting struct {
	flag, value string
	target      **string
}

// of lists the settings of a site.
func (o siteSettings) of(site *db.Site) []siteSetting {
	return []siteSetting{
		{"site-id", o.siteID, &site.WebflowSiteID},
		{"token-env", o.tokenEnv, &site.TokenEnv},
		{"token-file", o.tokenFile, &site.TokenFile},
		{"api-url", o.apiURL, &site.APIURL},
		{"rate", o.rate, &site.RateLimit},
		{"locale-in", o.localeIn, &site.LocaleIn},
		{"keep", o.keep, &site.Keep},
	}
}

// set copies the given flags into a site, and reports whether there are any.
func (o siteSettings) set(site *db.Site, given func(flag string) bool) (changed bool) {
	for _, one := range o.of(site) {
		if given(one.flag) {
			*one.target, changed = text.NilIfEmpty(one.value), true
		}
	}
	if given("notify") {
		site.NotifyURLs, changed = slices.DeleteFunc(slices.Clone(o.notify), func(url string) bool { return url == "" }), true
	}
	return changed
}

// check finds mistakes before the database is opened.
func (o siteSettings) check(a *app, given func(flag string) bool) error {
	if err := usecase.CheckSiteName(a.site); err != nil {
		return err
	}
	if err := noStandIn(a.site); err != nil {
		return err
	}
	site := db.Site{Name: a.site}
	o.set(&site, given)
	return usecase.CheckSite(a.cfg, db.Site{}, site)
}

// showSite prints the settings as flags that set them.
func (a *app) showSite(ctx context.Context, s *session, site db.Site) error {
	if a.json {
		return a.printSite(ctx, s, "")
	}
	fmt.Fprintf(a.Out, "nothing to change; site %s has these settings:\n", site.Name)
	for _, one := range (siteSettings{}).of(&site) {
		fmt.Fprintf(a.Out, "  --%-10s %s\n", one.flag, cmp.Or(text.Line(text.Deref(*one.target)), "(default)"))
	}
	fmt.Fprintf(a.Out, "  --%-10s %s\n", "notify", cmp.Or(strings.Join(notice.ShownAll(site.NotifyURLs), " "), "(none)"))
	return nil
}

func (a *app) siteSet(ctx context.Context, s *session, cmd *cobra.Command, o siteSettings) error {
	before, err := s.SiteByName(ctx, a.site)
	if err != nil && !errors.Is(err, db.ErrNoSite) {
		return err
	}
	site := before
	site.Name = a.site
	if !o.set(&site, cmd.Flags().Changed) && site.ID != 0 {
		return a.showSite(ctx, s, site)
	}
	if err := a.use(s).SetSite(ctx, actor(), a.cfg, before, site); err != nil {
		return err
	}
	return a.printSite(ctx, s, fmt.Sprintf("site %s is set", a.site))
}
