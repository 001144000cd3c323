package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/text"
	"relabel/internal/webflow"
)

// siteSettings are the flags of `site set`. Only given ones change something.
type siteSettings struct {
	siteID, tokenEnv, tokenFile, apiURL, rate, localeIn string
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
  relabel site set --site-id 65a1f2c3d4e5f60718293a4b`,
		Args:              noArgs("no arguments; --site names the site"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkSiteName(a.site); err != nil {
				return err
			}
			if err := o.check(a.cfg); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.siteSet(ctx, s, cmd, o)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.siteID, "site-id", "", "Webflow's `ID` of the site, 24 hex digits: to look up locale tags, and to check the token")
	f.StringVar(&o.tokenEnv, "token-env", "", "`NAME` of the environment variable that holds the token (default WEBFLOW_TOKEN)")
	f.StringVar(&o.tokenFile, "token-file", "", "`FILE` that holds the token")
	f.StringVar(&o.apiURL, "api-url", "", "`URL` of the API (default $WEBFLOW_API_URL, else "+webflow.DefaultBaseURL+")")
	f.StringVar(&o.rate, "rate", "", "`LIMIT`: CALLS/WINDOW such as 120/1m, none, or learn (default $WEBFLOW_RATE_LIMIT, else learn)")
	f.StringVar(&o.localeIn, "locale-in", "", "`WHERE` a call has the locale: both, body or query (default both)")
	return cmd
}

var (
	// Part of the name of a River queue, site-NAME, which allows only this.
	sitePattern = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

	envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

	// tokenPattern is what a Webflow token looks like: 64 hex digits.
	tokenPattern = regexp.MustCompile(`^[0-9A-Fa-f]{40,}$`)
)

// maxSiteName keeps queue names and lists readable.
const maxSiteName = 63

func checkSiteName(name string) error {
	switch {
	case !sitePattern.MatchString(name), len(name) > maxSiteName:
		return usageError("--site: a site's name is lower-case letters and digits, with single - or _ between them, not %q", name)
	case name == "all":
		return usageError("--site: all means all sites: choose another name")
	}
	return noStandIn(name)
}

func (o siteSettings) check(cfg config.Config) error {
	switch {
	case o.siteID != "" && !webflow.IsObjectID(o.siteID):
		return usageError("--site-id is 24 lower-case hex digits, not %q", o.siteID)
	case o.localeIn != "" && o.localeIn != "both" && o.localeIn != "body" && o.localeIn != "query":
		return usageError("--locale-in is both, body or query, not %q", o.localeIn)
	case tokenPattern.MatchString(o.tokenEnv), tokenPattern.MatchString(o.tokenFile):
		return usageError("this looks like a token, which is never stored: --token-env takes the name of the variable that holds it")
	case o.tokenEnv != "" && !envPattern.MatchString(o.tokenEnv):
		return usageError("--token-env takes the name of an environment variable, such as SHOP_WEBFLOW_TOKEN")
	}
	if _, err := config.ParseRate(o.rate); err != nil {
		return usageError("--rate: %s", err)
	}
	if o.apiURL != "" {
		if err := webflow.CheckURL(o.apiURL); err != nil {
			return usageError("--api-url: %s", err)
		}
	}
	return o.checkAllowed(cfg)
}

// checkAllowed refuses what workers would refuse, if their environment is like this one.
func (o siteSettings) checkAllowed(cfg config.Config) error {
	if _, err := cfg.SiteURL(o.apiURL); err != nil {
		return usageError("--api-url: %s", err)
	}
	if o.tokenEnv != "" {
		if err := cfg.AllowTokenEnv(o.tokenEnv); err != nil {
			return usageError("--token-env: %s", err)
		}
	}
	if o.tokenFile != "" {
		if err := cfg.TokenDirs.Allow(o.tokenFile); err != nil {
			return usageError("--token-file: %s", err)
		}
	}
	return nil
}

// showSite prints the settings as flags that set them.
func (a *app) showSite(ctx context.Context, s *session, site db.Site) error {
	if a.json {
		return a.printSite(ctx, s, "")
	}
	fmt.Fprintf(a.Out, "nothing to change; site %s has these settings:\n", site.Name)
	for _, set := range []struct {
		flag  string
		value *string
	}{
		{"site-id", site.WebflowSiteID},
		{"token-env", site.TokenEnv},
		{"token-file", site.TokenFile},
		{"api-url", site.APIURL},
		{"rate", site.RateLimit},
		{"locale-in", site.LocaleIn},
	} {
		fmt.Fprintf(a.Out, "  --%-10s %s\n", set.flag, cmp.Or(text.Line(text.Deref(set.value)), "(default)"))
	}
	return nil
}

func (a *app) siteSet(ctx context.Context, s *session, cmd *cobra.Command, o siteSettings) error {
	site, err := s.SiteByName(ctx, a.site)
	switch {
	case errors.Is(err, db.ErrNoSite):
		site = db.Site{Name: a.site}
	case err != nil:
		return err
	}
	changed := false
	for _, set := range []struct {
		flag   string
		value  string
		target **string
	}{
		{"site-id", o.siteID, &site.WebflowSiteID},
		{"token-env", o.tokenEnv, &site.TokenEnv},
		{"token-file", o.tokenFile, &site.TokenFile},
		{"api-url", o.apiURL, &site.APIURL},
		{"rate", o.rate, &site.RateLimit},
		{"locale-in", o.localeIn, &site.LocaleIn},
	} {
		if cmd.Flags().Changed(set.flag) {
			*set.target, changed = text.NilIfEmpty(set.value), true
		}
	}
	if !changed && site.ID != 0 {
		return a.showSite(ctx, s, site)
	}
	if err := a.auditedSite(ctx, s, "set", func(ctx context.Context) error { return s.SaveSite(ctx, site) }); err != nil {
		return err
	}
	return a.printSite(ctx, s, fmt.Sprintf("site %s is set", a.site))
}
