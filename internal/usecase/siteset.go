package usecase

import (
	"context"
	"regexp"

	"relabel/db"
	"relabel/internal/config"
	notices "relabel/internal/notice"
	"relabel/internal/records"
	"relabel/internal/text"
	"relabel/internal/webflow"
)

var (
	// Part of the name of a River queue, site-NAME, which allows only this.
	sitePattern = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

	envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

	// As the table site has it.
	keepPattern = regexp.MustCompile(`^[1-9][0-9]{0,3}d$`)

	// tokenPattern is what a Webflow token looks like: 64 hex digits.
	tokenPattern = regexp.MustCompile(`^[0-9A-Fa-f]{40,}$`)
)

// maxSiteName keeps queue names and lists readable.
const maxSiteName = 63

// CheckSiteName checks the name of a new site.
func CheckSiteName(name string) error {
	switch {
	case !sitePattern.MatchString(name), len(name) > maxSiteName:
		return WrongSetting("site", ": a site's name is lower-case letters and digits, with single - or _ between them, not %q", name)
	case name == "all":
		return WrongSetting("site", ": all means all sites: choose another name")
	}
	return nil
}

// IsEnvName reports whether a text can be the name of an environment variable.
func IsEnvName(name string) bool { return envPattern.MatchString(name) }

// CheckSite checks the settings of a site that differ from those before. It refuses what
// workers would refuse, if their environment is like env.
func CheckSite(env config.Config, before, site db.Site) error {
	for _, one := range []struct {
		before, now *string
		check       func(config.Config, string) error
	}{
		{before.WebflowSiteID, site.WebflowSiteID, checkSiteID},
		{before.TokenEnv, site.TokenEnv, checkTokenEnv},
		{before.TokenFile, site.TokenFile, checkTokenFile},
		{before.APIURL, site.APIURL, checkAPIURL},
		{before.RateLimit, site.RateLimit, checkRate},
		{before.LocaleIn, site.LocaleIn, checkLocaleIn},
		{before.Keep, site.Keep, checkKeep},
	} {
		now := text.Deref(one.now)
		if now == "" || now == text.Deref(one.before) {
			continue
		}
		if err := one.check(env, now); err != nil {
			return err
		}
	}
	return because("notify", notices.CheckAll(before.NotifyURLs, site.NotifyURLs, env.Notify.AllowPrivate))
}

func checkSiteID(_ config.Config, id string) error {
	if !webflow.IsObjectID(id) {
		return WrongSetting("site-id", " is 24 lower-case hex digits, not %q", id)
	}
	return nil
}

func checkTokenEnv(env config.Config, name string) error {
	switch {
	case tokenPattern.MatchString(name):
		return errIsToken()
	case !IsEnvName(name):
		return WrongSetting("token-env", " takes the name of an environment variable, such as SHOP_WEBFLOW_TOKEN")
	}
	return because("token-env", env.AllowTokenEnv(name))
}

func checkTokenFile(env config.Config, path string) error {
	if tokenPattern.MatchString(path) {
		return errIsToken()
	}
	return because("token-file", env.TokenDirs.Allow(path))
}

func errIsToken() error {
	return WrongSetting("token-env", " takes the name of the variable that holds the token: this looks like a token, which is never stored")
}

func checkAPIURL(env config.Config, url string) error {
	err := webflow.CheckURL(url)
	if err == nil {
		_, err = env.SiteURL(url)
	}
	return because("api-url", err)
}

func checkRate(_ config.Config, rate string) error {
	_, err := config.ParseRate(rate)
	return because("rate", err)
}

func checkLocaleIn(_ config.Config, where string) error {
	if where != "both" && where != "body" && where != "query" {
		return WrongSetting("locale-in", " is both, body or query, not %q", where)
	}
	return nil
}

func checkKeep(_ config.Config, keep string) error {
	if !keepPattern.MatchString(keep) {
		return WrongSetting("keep", " is a number of days such as 400d, at most 9999d, not %q", keep)
	}
	return nil
}

// because makes a SettingError of another error.
func because(setting string, err error) error {
	if err == nil {
		return nil
	}
	return WrongSetting(setting, ": %s", err)
}

// SetSite creates a site, or changes its settings. before is the site as it was, or the
// zero Site.
func (s *Service) SetSite(ctx context.Context, by Actor, env config.Config, before, site db.Site) error {
	if err := CheckSiteName(site.Name); err != nil {
		return err
	}
	if err := CheckSite(env, before, site); err != nil {
		return err
	}
	return s.Record(ctx, by, records.AuditEntry{Action: "set", Subject: "site " + site.Name}, func(ctx context.Context) (int64, error) {
		return -1, s.DB.SaveSite(ctx, site)
	})
}
