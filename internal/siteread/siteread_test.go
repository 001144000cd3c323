package siteread

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// The cheaper way is taken: pages, or each asset by itself.
func TestCheaperWay(t *testing.T) {
	for name, tt := range map[string]struct {
		site, rows    int // assets of the site, rows about the last ones
		unknown       int
		noSite        bool
		pages, assets int
		by            string
	}{
		"one row":                           {site: 1000, rows: 1, assets: 1, by: "get"},
		"few rows of a large site":          {site: 1000, rows: 5, pages: 1, assets: 5, by: "both"}, // the first page tells its size
		"many rows":                         {site: 1000, rows: 500, pages: 10, by: "list"},
		"as many rows as pages":             {site: 1000, rows: 9, pages: 1, assets: 9, by: "both"},
		"one row more":                      {site: 1000, rows: 10, pages: 10, by: "list"},
		"a small site":                      {site: 50, rows: 50, pages: 1, by: "list"},
		"exactly a page":                    {site: 100, rows: 100, pages: 1, by: "list"},
		"a page and one":                    {site: 101, rows: 101, pages: 1, assets: 1, by: "both"},
		"few unknown assets are asked":      {site: 300, rows: 200, unknown: 20, pages: 3, assets: 20, by: "both"},
		"many are taken at the list's word": {site: 300, rows: 200, unknown: 21, pages: 3, by: "list"},
		"an empty site":                     {site: 0, rows: 0, unknown: 3, pages: 1, assets: 3, by: "both"},
		"the site's id is learnt":           {site: 300, rows: 200, noSite: true, pages: 3, assets: 1, by: "both"},
		"and then not from the first":       {site: 300, rows: 200, unknown: 5, noSite: true, pages: 3, assets: 6, by: "both"},
		"nor from the first twenty":         {site: 30, rows: 10, unknown: 20, noSite: true, assets: 30, by: "get"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, settings{api: standin.Config{Assets: tt.site}, noSite: tt.noSite})
			id := b.plan(t, "", append(unknown(tt.unknown), ids(tt.site-tt.rows, tt.rows)...)...)
			reading, change, missing := b.compare(t, id)
			require.Equal(t, []int64{int64(tt.rows), int64(tt.unknown)}, []int64{change, missing})
			pages, assets := b.reads()
			require.Equal(t, []int{tt.pages, tt.assets}, []int{pages, assets}, "pages and single assets")
			require.Equal(t, tt.by, reading.By)
			require.EqualValues(t, tt.pages+tt.assets, reading.Calls)
			require.Equal(t, tt.noSite && tt.by == "get", len(b.notices) > 0, "%v", b.notices)
		})
	}
}

// Locales are read each by itself.
func TestLocales(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 10}})
	b.api.SetName(standin.AssetID(0), standin.FrenchLocale, "new")
	id := b.plan(t, standin.FrenchLocale, ids(0, 3)...)
	_, change, _ := b.compare(t, id)
	require.EqualValues(t, 2, change)
	reading, err := b.reader.ReadSite(t.Context(), []string{"", standin.FrenchLocale}, b.params)
	require.NoError(t, err)
	require.EqualValues(t, 2, reading.Calls)
	var names []string
	for s, err := range b.States(t.Context(), b.site.ID, standin.FrenchLocale, reading.Since) {
		require.NoError(t, err)
		if s.DisplayName == "new" {
			names = append(names, s.AssetID)
		}
	}
	require.Equal(t, ids(0, 1), names)
}

// What goes wrong on the way is tried again, and changes nothing of what is read.
func TestReadingUnderFaults(t *testing.T) {
	for name, faults := range map[string][]standin.Fault{
		"429":         standin.Repeat(2, standin.RateLimited("1")),
		"500":         standin.Repeat(3, standin.Status(500)),
		"gateway":     {standin.Gateway(502, ""), standin.Gateway(503, "1")},
		"resets":      {standin.ResetBeforeHeaders(), standin.ResetInBody(), standin.CloseInBody(), standin.CloseBeforeHeaders()},
		"cut answers": {standin.CutJSON(), standin.CutJSON()},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, settings{api: standin.Config{Assets: 600}})
			b.api.FailNext(faults...)
			b.api.FailAsset(unknown(1)[0], faults...)
			_, change, missing := b.compare(t, b.plan(t, "", append(ids(0, 600), unknown(1)...)...))
			require.Equal(t, []int64{600, 1}, []int64{change, missing})
			pages, assets := b.reads()
			require.GreaterOrEqual(t, pages, 6)
			require.GreaterOrEqual(t, assets, 1)
		})
	}
}

// A reading by chance of faults, as a whole, many times over.
func TestReadingByChance(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 2500, Seed: 7, Chances: []standin.Chance{
		{P: 0.1, Fault: standin.Status(500)}, {P: 0.05, Fault: standin.ResetInBody()}, {P: 0.03, Fault: standin.CutJSON()},
	}}})
	_, change, missing := b.compare(t, b.plan(t, "", append(ids(0, 2500), unknown(5)...)...))
	require.Equal(t, []int64{2500, 5}, []int64{change, missing})
}

// A reading that fails changes nothing of the plan, and says why.
func TestReadingFails(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 300}})
	id := b.plan(t, "", ids(0, 300)...)
	fails := func() error {
		t.Helper()
		_, readErr := b.read(t.Context(), id)
		require.Error(t, readErr)
		st, err := records.Batch(t.Context(), b.DB, id)
		require.NoError(t, err)
		require.Equal(t, []any{db.BatchPlanned, int64(300)}, []any{st.Status, st.Pending})
		return readErr
	}
	b.api.SetToken(token, standin.TokenForbidden)
	err := fails()
	require.ErrorIs(t, err, ErrMayNotRead)
	require.ErrorContains(t, err, "assets:read")
	_, err = b.reader.ReadSite(t.Context(), []string{""}, b.params)
	require.ErrorIs(t, err, ErrMayNotRead)
	b.api.SetToken(token, standin.TokenInvalid)
	err = fails()
	e, ok := errors.AsType[*webflow.Error](err)
	require.True(t, ok && e.Kind == webflow.KindUnauthorized, "%v", err)
	b.api.SetToken(token, standin.TokenValid)

	other := "0000000000000000dead0000"
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &other}))
	b.open(t)
	wrong, ok := errors.AsType[*NoSiteError](fails())
	require.True(t, ok)
	require.Equal(t, NoSiteError{Site: db.DefaultSite, WebflowID: other}, *wrong)
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite}))
	b.open(t)
	_, err = b.reader.ReadSite(t.Context(), []string{""}, b.params)
	require.Equal(t, &NoSiteError{Site: db.DefaultSite}, err)
}

// An asset that moves to a page that was read already is found all the same.
func TestShiftingPages(t *testing.T) {
	for name, tt := range map[string]struct {
		gone     int // of the first page's assets, when page 16 has been read
		unknown  int
		readsMax int
	}{
		"few are asked for":              {5, 0, 30 + 5},
		"many are asked for, if cheaper": {25, 0, 30 + 25},
		"else the pages are read again":  {25, 400, 2 * 30},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, settings{api: standin.Config{Assets: 3000}})
			id := b.plan(t, "", append(ids(100, 2900), unknown(tt.unknown)...)...)
			b.params.Checkpoint = func(context.Context, Pass) error { // between two waves
				for _, a := range ids(0, tt.gone) {
					b.api.RemoveAsset(a)
				}
				return nil
			}
			_, change, missing := b.compare(t, id)
			require.Equal(t, []int64{2900, int64(tt.unknown)}, []int64{change, missing})
			pages, assets := b.reads()
			require.LessOrEqual(t, pages+assets, tt.readsMax)
		})
	}
}

// A file that is replaced while the pages are read moves an asset to a page that was read before, and the totals stay.
func TestShiftingPagesOfSameTotal(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 3000}})
	id := b.plan(t, "", append(ids(100, 2900), unknown(25)...)...)
	once := sync.OnceFunc(func() {
		b.api.RemoveAsset(standin.AssetID(0))
		b.api.AddAssets(1)
	})
	b.params.Checkpoint = func(context.Context, Pass) error { // between two waves
		once()
		return nil
	}
	_, change, missing := b.compare(t, id)
	require.Equal(t, []int64{2900, 25}, []int64{change, missing})
	pages, assets := b.reads()
	require.Equal(t, []int{30, 26}, []int{pages, assets})
}

// A pull has every asset that was there all the time, though others come and go.
func TestShiftingSite(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 3000}})
	once := false
	b.params.Checkpoint = func(context.Context, Pass) error {
		if !once {
			once = true
			for _, a := range ids(0, 50) {
				b.api.RemoveAsset(a)
			}
		}
		return nil
	}
	reading, err := b.reader.ReadSite(t.Context(), []string{""}, b.params)
	require.NoError(t, err)
	var got []string
	for s, err := range b.States(t.Context(), b.site.ID, "", reading.Since) {
		require.NoError(t, err)
		got = append(got, s.AssetID)
	}
	for _, a := range ids(50, 2950) {
		_, found := slices.BinarySearch(got, a)
		require.True(t, found, "asset %s was there all the time", a)
	}
	require.Empty(t, b.notices)
}

// A reading that was cut short goes on where it was: what it has read is not read again.
func TestResume(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 4000}})
	id := b.plan(t, "", ids(0, 4000)...)
	stop := errors.New("stop")
	var kept []byte
	b.params.Checkpoint = func(_ context.Context, p Pass) (err error) {
		if kept != nil {
			return stop
		}
		kept, err = json.Marshal(p)
		return err
	}
	_, err := b.read(t.Context(), id)
	require.ErrorIs(t, err, stop)
	pages, _ := b.reads()
	require.Less(t, pages, 40)

	b.open(t)
	var pass Pass
	require.NoError(t, json.Unmarshal(kept, &pass))
	require.NotZero(t, pass.Pages[""])
	b.params.Resume = &pass
	_, change, missing := b.compare(t, id)
	require.Equal(t, []int64{4000, 0}, []int64{change, missing})
	again, _ := b.reads()
	require.LessOrEqual(t, again, pages+1+40-pass.Pages[""]/100, "the first page, which tells the number of assets, and those not kept")

	b.open(t)
	b.params.Resume = &Pass{} // none yet
	_, err = b.read(t.Context(), id)
	require.NoError(t, err)
}

// A canceled reading ends at once.
func TestInterrupted(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 3000}})
	id := b.plan(t, "", ids(0, 3000)...)
	ctx, cancel := context.WithCancel(t.Context())
	b.params.Checkpoint = func(context.Context, Pass) error { cancel(); return nil }
	_, err := b.read(ctx, id)
	require.ErrorIs(t, err, context.Canceled)
}

// What the API says is hostile: texts that PostgreSQL would not take, ids that are none, an endless list.
func TestHostileAnswers(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 2}})
	id := b.plan(t, "", ids(0, 2)...)
	page := `{"assets": [
		{"id": "` + standin.AssetID(0) + `", "displayName": "a\u0000b\ud800", "altText": null},
		{"id": "` + standin.AssetID(0) + `", "displayName": "twice"},
		{"id": "'; DROP TABLE batch", "displayName": "x"},
		{"id": "` + standin.AssetID(1) + `", "displayName": "new", "lastUpdated": "99999-01-01T00:00:00Z", "size": -5}
	], "pagination": {"limit": 100, "offset": 0, "total": 2}}`
	b.api.FailNext(standin.Answer(200, nil, page))
	_, change, missing := b.compare(t, id)
	require.Equal(t, []int64{1, 0}, []int64{change, missing})
	changes, err := records.Changes(t.Context(), b.DB, id, 0, 10)
	require.NoError(t, err)
	require.Equal(t, "ab\uFFFD", *changes[0].BeforeName)

	endless := `{"assets": [], "pagination": {"limit": 100, "offset": 0, "total": 2000000000}}`
	b.api.FailNext(standin.Repeat(40, standin.Answer(200, nil, endless))...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = b.reader.ReadSite(ctx, []string{""}, b.params)
	require.NoError(t, err)
	require.Less(t, b.api.Calls(), 40)
}

// Two plans of one site read it at the same time.
func TestReadersAtOnce(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 1500}})
	ends := make(chan error)
	for range 3 {
		id := b.plan(t, "", ids(0, 1500)...)
		go func() {
			_, err := b.read(t.Context(), id)
			ends <- err
		}()
	}
	for range 3 {
		require.NoError(t, <-ends)
	}
}
