package web

import (
	"fmt"
	"hash/fnv"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// images stand in for Webflow's image hosts in a test's browser, and keep what was asked of them.
type images struct {
	mu    sync.Mutex
	asked []imageRequest
}

type imageRequest struct{ URL, Referer string }

func (i *images) all() []imageRequest {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]imageRequest(nil), i.asked...)
}

// webflowImages answers the browser's requests to those hosts: nothing leaves the machine.
func (p *tab) webflowImages() *images {
	p.t.Helper()
	out := &images{}
	events := chromedp.Events(p, fetch.RequestPaused)
	var patterns []*fetch.RequestPattern
	for _, source := range imageSources() {
		patterns = append(patterns, &fetch.RequestPattern{URLPattern: source + "*"})
	}
	_, err := chromedp.Call(p, fetch.Enable, fetch.EnableParams{Patterns: patterns})
	require.NoError(p.t, err)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			out.mu.Lock()
			out.asked = append(out.asked, imageRequest{e.Request.URL, fmt.Sprint(e.Request.Headers["Referer"])})
			out.mu.Unlock()
			_, _ = chromedp.Call(p, fetch.FulfillRequest, fetch.FulfillRequestParams{ // the page may be gone
				RequestID: e.RequestID, ResponseCode: 200, Body: []byte(drawing(e.Request.URL)),
				ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "image/svg+xml"}},
			})
		}
	}()
	return out
}

// drawing is a picture of few colours that differs from asset to asset.
func drawing(url string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(url))
	n := h.Sum32()
	palette := [][4]string{
		{"#cfe3f3", "#f2c14e", "#5b8e7d", "#3b6255"},
		{"#fbe3d0", "#e07a5f", "#81664f", "#5a4636"},
		{"#e3e7f4", "#f7f7f2", "#6c7fb0", "#42528a"},
		{"#f8ecc9", "#d1495b", "#7ea16b", "#55733f"},
	}[n%4]
	x, y := 60+n/7%280, 50+n/11%50
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"><rect width="400" height="300" fill="%s"/><circle cx="%d" cy="%d" r="%d" fill="%s"/>`+
		`<path d="M0 %d Q120 %d 230 %d T400 %d V300 H0z" fill="%s"/><path d="M0 %d Q150 %d 260 %d T400 %d V300 H0z" fill="%s"/></svg>`,
		palette[0], x, y, 24+n/13%20, palette[1], 190+n/17%30, 120+n/19%60, 180+n/23%40, 170+n/29%40, palette[2], 240, 200+n/31%40, 245, 225+n/37%30, palette[3])
}

func (b *testBundle) assetIDs(n int) (ids []string) {
	for i := range n {
		ids = append(ids, standin.AssetID(i))
	}
	return ids
}

// exampleAssets are what the pages of assets show: folders, files of several kinds, alt texts that are there and missing.
func (b *testBundle) exampleAssets(t testing.TB, siteID int) {
	t.Helper()
	exec := func(sql string, args ...any) {
		_, err := b.Pool().Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	for _, path := range []string{"Blog", "Blog/2026", "Products", "Products/Autumn", "Team"} {
		exec(`INSERT INTO asset_folder (site_id, folder_id, display_name, path, parent_id, read_at)
			SELECT $1, md5($2), regexp_replace($2, '.*/', ''), $2, CASE WHEN $2 LIKE '%/%' THEN md5(split_part($2, '/', 1)) ELSE '' END, now()`, siteID, path)
	}
	exec(`INSERT INTO site_reading (site_id, began_at, assets, calls) VALUES ($1, now() - interval '4 min', 197, 2)
		ON CONFLICT (site_id, locale_id) DO UPDATE SET began_at = excluded.began_at, assets = 197, calls = 2`, siteID)
	exec(`INSERT INTO asset_state (site_id, asset_id, display_name, read_at) SELECT $1, id, '', now() - interval '4 min' FROM unnest($2::text[]) id
		ON CONFLICT (site_id, locale_id, asset_id) DO UPDATE SET read_at = excluded.read_at`, siteID, b.assetIDs(200))
	exec(`UPDATE asset_state a SET display_name = 'asset-' || lpad(n.i::text, 6, '0') || '.jpg', original_file_name = 'IMG_' || 2000 + n.i || '.jpg',
			content_type = 'image/jpeg', size = 90000 + n.i * 1317, folder = md5('Products'), last_updated = now() - interval '30 days' - n.i * interval '3 h',
			alt_text = '',
			hosted_url = 'https://s3.amazonaws.com/webflow-prod-assets/650000000000000000000001/' || a.asset_id || '_' || n.i || '.jpg'
		FROM unnest($2::text[]) WITH ORDINALITY n (id, i) WHERE a.site_id = $1 AND a.asset_id = n.id`, siteID, b.assetIDs(200))
	for i, a := range []struct{ name, alt, kind, folder string }{
		{"about-us-hero.jpg", "Our workshop in the morning", "image/jpeg", "Team"},
		{"autumn-lookbook.pdf", "", "application/pdf", "Products/Autumn"},
		{"background-loop.mp4", "", "video/mp4", "Blog"},
		{"banner-shipping.png", "Free shipping from 50 euros", "image/png", "Products"},
		{"blog-01-cover.webp", "", "image/webp", "Blog/2026"},
		{"blog-02-cover.webp", "Hands folding a letter", "image/webp", "Blog/2026"},
		{"chair-oak-front.jpg", "Oak chair, front view", "image/jpeg", "Products/Autumn"},
		{"chair-oak-side.jpg", "", "image/jpeg", "Products/Autumn"},
		{"contact-map.png", "Map with our three shops", "image/png", ""},
		{"DSC_0042.JPG", "", "image/jpeg", ""},
		{"DSC_0043.JPG", "", "image/jpeg", ""},
		{"favicon.svg", "", "image/svg+xml", ""},
		{"icon-cart.svg", "Cart", "image/svg+xml", ""},
		{"IMG_2041.jpg", "", "image/jpeg", "Blog"},
		{"IMG_2042.jpg", "", "image/jpeg", "Blog"},
		{"lamp-brass.jpg", "Brass lamp on a desk", "image/jpeg", "Products/Autumn"},
		{"logo-dark.svg", "Oak & Brass", "image/svg+xml", ""},
		{"newsletter-header-with-a-rather-long-name-2026-final-v2.jpg", "", "image/jpeg", "Blog/2026"},
		{"price-list-2026.pdf", "", "application/pdf", "Products"},
		{"shelf-walnut.jpg", "Walnut shelf with three boards", "image/jpeg", "Products/Autumn"},
	} {
		exec(`UPDATE asset_state SET display_name = $3, original_file_name = $3, alt_text = $4, content_type = $5, folder = CASE WHEN $6 = '' THEN '' ELSE md5($6) END,
			last_updated = now() - $7 * interval '5 h' WHERE site_id = $1 AND asset_id = $2`,
			siteID, b.assetIDs(200)[170+i], a.name, a.alt, a.kind, a.folder, i)
	}
	exec(`UPDATE asset_state SET gone = true WHERE site_id = $1 AND asset_id = ANY ($2)`, siteID, []string{b.assetIDs(200)[11], b.assetIDs(200)[40], b.assetIDs(200)[41]})
}
