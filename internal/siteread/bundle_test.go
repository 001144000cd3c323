package siteread

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/standin"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestMain lets more tests run at once than there are processors: these wait for back-offs nearly all of their time.
func TestMain(m *testing.M) {
	dbtest.AtOnce(10)
	os.Exit(m.Run())
}

// testBundle is a site with its stand-in API, and its reader.
type testBundle struct {
	*db.DB

	api     *standin.Server
	limit   int
	site    db.Site
	reader  *Reader
	params  Params // of its readings
	notices []error
}

type settings struct {
	api    standin.Config
	noSite bool // the site's id is not set
	limit  int  // calls an hour; 0: any number
}

func setup(t *testing.T, s settings) *testBundle {
	t.Helper()
	t.Parallel()
	s.api.Tokens = []string{token}
	api, err := standin.Start(s.api)
	require.NoError(t, err)
	t.Cleanup(api.Close)
	b := &testBundle{DB: dbtest.New(t), api: api, limit: s.limit}
	if !s.noSite {
		id := standin.SiteID
		require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &id}))
	}
	b.open(t)
	return b
}

// open makes a reader as a process has one.
func (b *testBundle) open(t *testing.T) {
	t.Helper()
	var err error
	b.site, err = b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	secret, err := webflow.NewToken(token)
	require.NoError(t, err)
	client, err := webflow.NewClient(webflow.Config{BaseURL: b.api.URL(), Token: secret, Timeout: 10 * time.Second})
	require.NoError(t, err)
	b.reader, err = New(t.Context(), Config{
		DB: b.DB, CallTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Site: jobs.SiteConfig{Site: b.site, Client: client, Lane: db.LaneSettings{Fingerprint: secret.Fingerprint(), Limit: b.limit, Window: time.Hour, Fixed: true}},
	})
	require.NoError(t, err)
	t.Cleanup(b.reader.Close)
	b.params = Params{Notice: func(err error) { b.notices = append(b.notices, err) }}
}

// plan stores rows that give assets the name "new".
func (b *testBundle) plan(t *testing.T, locale string, assets ...string) int64 {
	t.Helper()
	name := "new"
	id, err := b.Load(t.Context(), db.LoadParams{
		SiteID: b.site.ID, Name: "test", Source: "test", Priority: 2, Planned: true,
		Rows: func(yield func(*db.SourceRow, error) bool) {
			for i, a := range assets {
				if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: a, LocaleID: locale, DisplayName: &name}, nil) {
					return
				}
			}
		},
		Queue: func(context.Context, pgx.Tx) error { return nil },
	})
	require.NoError(t, err)
	return id
}

// read reads a plan's targets and compares.
func (b *testBundle) read(ctx context.Context, id int64) (Reading, error) {
	reading, err := b.reader.ReadBatch(ctx, id, b.params)
	if err != nil {
		return reading, err
	}
	return reading, b.Compare(ctx, db.CompareParams{BatchID: id, Since: reading.Since, ReadBy: reading.By, Reads: reading.Calls})
}

// compare also returns how many rows would change and how many assets are unknown.
func (b *testBundle) compare(t *testing.T, id int64) (reading Reading, change, unknown int64) {
	t.Helper()
	reading, err := b.read(t.Context(), id)
	require.NoError(t, err)
	st, err := records.Batch(t.Context(), b.DB, id)
	require.NoError(t, err)
	return reading, st.Pending, st.Failed
}

// ids are those of n assets, from one on.
func ids(from, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = standin.AssetID(from + i)
	}
	return out
}

// unknown are ids that no site has.
func unknown(n int) []string {
	out := ids(1_000_000, n)
	slices.Sort(out)
	return out
}

// reads counts the pages and the single assets that were asked for and answered.
func (b *testBundle) reads() (pages, assets int) {
	for _, c := range b.api.Log() {
		switch {
		case c.Status != 200 && c.Status != 404:
		case strings.HasSuffix(c.Path, "/assets"):
			pages++
		case c.AssetID != "":
			assets++
		}
	}
	return pages, assets
}
