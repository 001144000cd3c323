package usecase_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/siteread"
	"relabel/internal/standin"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const nameToken = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// nameBundle is a site whose rows name assets.
type nameBundle struct {
	*usecase.Service

	api  *standin.Server
	site db.Site
}

func setupNames(t *testing.T, cfg standin.Config) *nameBundle {
	t.Helper()
	t.Parallel()
	cfg.Tokens = []string{nameToken}
	api, err := standin.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(api.Close)
	d := dbtest.New(t)
	id := standin.SiteID
	require.NoError(t, d.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &id}))
	site, err := d.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	b := &nameBundle{api: api, site: site}
	b.Service = &usecase.Service{DB: d, CallTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler), Site: b.siteConfig}
	return b
}

func (b *nameBundle) siteConfig(site db.Site) (jobs.SiteConfig, error) {
	secret, err := webflow.NewToken(nameToken)
	if err != nil {
		return jobs.SiteConfig{}, err
	}
	client, err := webflow.NewClient(webflow.Config{BaseURL: b.api.URL(), Token: secret, Timeout: 10 * time.Second})
	lane := db.LaneSettings{Fingerprint: secret.Fingerprint(), Window: time.Hour, Fixed: true}
	return jobs.SiteConfig{Site: site, Client: client, Lane: lane}, err
}

// reads counts the calls so far.
func (b *nameBundle) reads() int { return b.api.Calls() }

func (b *nameBundle) fresh(t *testing.T, maxAge time.Duration, locales ...string) siteread.Reading {
	t.Helper()
	if locales == nil {
		locales = []string{""}
	}
	r, err := b.FreshReading(t.Context(), b.site, locales, maxAge, siteread.Params{})
	require.NoError(t, err)
	return r
}

// states are the names that the site has as last read, by asset.
func (b *nameBundle) states(t *testing.T, since time.Time) map[string]string {
	t.Helper()
	names := map[string]string{}
	for s, err := range b.DB.States(t.Context(), b.site.ID, "", since) {
		require.NoError(t, err)
		names[s.AssetID] = s.DisplayName
	}
	return names
}

func ptr[T any](v T) *T { return &v }
