package web

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
)

// key presses a key on what has the focus, as its handlers see it.
func (p *tab) key(name string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[void](fmt.Sprintf(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true})); undefined`, name)))
}

// fill types a text into what has the focus.
func (p *tab) fill(text string) {
	p.t.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(p.t, err)
	p.do(chromedp.Evaluate[void](fmt.Sprintf(`document.activeElement.value = %s; document.activeElement.dispatchEvent(new Event("input", {bubbles: true})); undefined`, quoted)))
}

// hostAtWebflow moves the files of all assets to one of Webflow's hosts.
func (b *testBundle) hostAtWebflow(t testing.TB) {
	t.Helper()
	_, err := b.Pool().Exec(t.Context(), `UPDATE asset_state SET hosted_url = 'https://cdn.prod.website-files.com/site/' || asset_id || '.jpg'`)
	require.NoError(t, err)
}

// A person's way on the page of assets: read the site, search, move and edit with keys over two pages, plan, look.
func TestBrowserAssets(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 45}})
	p := newTab(t, b)
	p.size(1280, 800) // the grid has five columns
	p.key("g")
	p.key("a")
	p.true(`location.pathname === "/assets"`, "g a goes to the assets")
	p.press(`form[action="/assets/read"] button`)
	p.text(".read", "45 assets of site default. Last read")
	b.hostAtWebflow(t)
	p.open("/assets")
	p.true(`document.images.length === 20 && [...document.images].slice(0, 5).every((i) => i.complete && i.naturalWidth > 0)`, "pictures are shown")
	for _, asked := range p.images.all() {
		require.Equal(t, "<nil>", asked.Referer, asked.URL)
	}
	p.true(`document.getElementById("plan-edits").disabled`, "nothing was edited")

	p.do(chromedp.Evaluate[void](`document.querySelector("[name=select]").focus(); undefined`))
	for _, one := range []struct{ key, want string }{
		{"ArrowRight", "asset-000002.jpg"}, {"ArrowDown", "asset-000007.jpg"}, {"ArrowLeft", "asset-000006.jpg"}, {"ArrowUp", "asset-000001.jpg"},
	} {
		p.key(one.key)
		p.true(fmt.Sprintf(`document.activeElement.ariaLabel === "Select %s"`, one.want), one.key)
	}
	p.key("Enter")
	p.fill("hero.jpg")
	p.true(`document.querySelector(".edited .was").textContent === "asset-000001.jpg"`, "the old name is shown")
	p.key("Enter")
	p.true(`document.activeElement.ariaLabel === "Name of asset-000002.jpg"`, "Enter goes to the next name")
	p.fill("wrong.jpg")
	p.text("#plan-edits", "Plan 2 changes")
	p.key("Escape")
	p.text("#plan-edits", "Plan 1 change")

	p.press(`a[rel=next]`)
	p.text("#elsewhere", "1 edited asset is on other pages")
	p.do(chromedp.Evaluate[void](`document.querySelector("tbody [name=alt]").focus(); undefined`))
	p.fill("A dog")
	p.press(`#plan-edits`)
	p.true(`location.pathname === "/batch/1"`, "the plan is shown")
	p.again("/batch/1", "#plan", "2 of 2 rows would change")
	p.text("#plan ins", "hero.jpg")
	b.hostAtWebflow(t) // the plan has read them again
	p.open("/batch/1")
	p.true(`document.querySelectorAll("#plan img.thumb").length === 2`, "the plan shows pictures")
	p.open("/assets")
	p.text("#plan-edits", "Plan the changes")
	require.Equal(t, "asset-000001.jpg", b.api.Name(standin.AssetID(0), ""), "nothing was sent")
}

// assetsTab is a tab of a dashboard whose site holds the example's assets.
func assetsTab(t *testing.T) *tab {
	t.Helper()
	b := setup(t, settings{noToken: true})
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	b.exampleAssets(t, site.ID)
	return newTab(t, b)
}

// A rule shows what it would change while a person types, for the selected assets of all pages.
func TestBrowserAssetRule(t *testing.T) {
	p := assetsTab(t)
	p.open("/assets?sort=changed")
	p.do(chromedp.Click(chromedp.CSS(`#rule summary`)), chromedp.Evaluate[void](`document.querySelector("[name=template]").focus(); undefined`))
	p.fill("item-{n:03}{ext}")
	p.text("#preview", "197 of 197 assets would change")
	p.fill("item-{n")
	p.text("#preview", "New name: character 6")
	p.do(chromedp.Click(chromedp.CSS(`tbody tr:nth-child(2) [name=select]`)))
	p.text("#selected", "1 selected")
	p.press(`a[rel=next]`)
	p.do(chromedp.Click(chromedp.CSS(`tbody tr:nth-child(3) [name=select]`)), chromedp.Click(chromedp.CSS(`#rule summary`)),
		chromedp.Evaluate[void](`document.querySelector("[name=template]").focus(); undefined`))
	p.fill("item-{n:03}{ext}")
	p.text("#preview", "2 of 2 assets would change")
	p.text("#preview del", "autumn-lookbook.pdf")
	p.axe(readAxe(t), "a rule's preview")
	csv := p.download(`button[formaction="/assets/file"]`)
	require.Contains(t, csv, "autumn-lookbook.pdf")
	p.press(`#preview button.main`)
	p.text("#rows", "item-002")
	p.open("/assets")
	p.true(`document.querySelectorAll(":checked[name=select]").length === 0`, "the selection is used up")
}

// Search, filters and pages need no script, and without pictures nothing is asked of other hosts.
func TestBrowserAssetsWithoutScripts(t *testing.T) {
	p := assetsTab(t)
	p.open("/assets")
	p.press(`form[action="/pictures"] button`)
	before := len(p.images.all())
	_, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	p.open("/assets")
	p.press(`a[rel=next]`)
	p.text("#assets", "197 assets")
	p.do(chromedp.SendKeys(chromedp.CSS(`[type=search][name=name]`), "chair"))
	p.press(`form[role=search] button`)
	p.text("#assets", "2 assets match")
	p.press(`.views a`)
	p.true(`document.querySelectorAll("tr[data-asset]").length === 2 && !document.querySelector(".tiles")`, "the table has the same assets")
	p.do(chromedp.Click(chromedp.CSS(`#rule summary`)), chromedp.SendKeys(chromedp.CSS(`[name=template]`), "seat-{n}"))
	p.press(`#rule [data-scriptless]`)
	p.text("#preview ins", "seat-1.jpg")
	require.Len(t, p.images.all(), before)
}
