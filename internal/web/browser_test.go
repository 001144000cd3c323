package web

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	imagedraw "image/draw"
	"image/png"
	"iter"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/standin"
)

// screens is where TestScreens leaves pictures of the pages; empty: nowhere.
//
//nolint:gochecknoglobals // a test's flag has no other place
var screens = flag.String("web.screens", "", "write pictures of the pages to this `FOLDER`; without it they are only looked at by the test")

// void is the value of steps that have none.
type void = chromedp.Void

// tab is one tab of a real browser that has logged in. What its console says of errors and of refused content fails the
// test.
type tab struct {
	context.Context //nolint:containedctx // chromedp keeps its tab there

	t    testing.TB
	base string

	images *images

	mu       sync.Mutex
	problems []string
}

// newTab opens a tab, or skips the test where there is none; CI says that there must be one.
func newTab(t testing.TB, b *testBundle) *tab {
	t.Helper()
	if chromium() == "" {
		if os.Getenv("RELABEL_REQUIRE_BROWSER") != "" {
			t.Fatal("there is no Chromium on this machine, and RELABEL_REQUIRE_BROWSER wants one")
		}
		t.Skip("there is no Chromium on this machine: nothing is seen of how pages look and what their script does")
	}
	browser, err := theBrowser()
	require.NoError(t, err, "starting the browser")
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "opening a tab")
	console := chromedp.Console(ctx)
	out := &tab{t: t, base: b.url}
	out.Context, cancel = context.WithTimeout(ctx, 4*patience)
	t.Cleanup(cancel)
	go out.listen(console)
	out.images = out.webflowImages()
	out.do(chromedp.Navigate(b.url+b.server.Link(RoleChange)), chromedp.WaitVisible(chromedp.CSS(`nav[aria-label=Pages]`)))
	t.Cleanup(func() {
		out.mu.Lock()
		defer out.mu.Unlock()
		require.Empty(t, out.problems, "the browser's console")
	})
	return out
}

func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// listen keeps what goes wrong in the page: scripts' errors, and what the policy or the network refused.
func (p *tab) listen(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range console {
		if err != nil {
			return
		}
		wanted := strings.Contains(m.Text, "ERR_INCOMPLETE_CHUNKED_ENCODING") || // a stream that ended with its page
			strings.Contains(m.Text, "status of 415") || // see riverButtons
			strings.Contains(m.Text, "status of 404") && strings.HasSuffix(m.URL, noPage) ||
			strings.Contains(m.Text, "status of 403") && strings.HasSuffix(m.URL, "/login") || // a wrong password
			strings.Contains(m.URL, "/river/assets/") // it tries whether it may evaluate text, and does without
		if m.Type != chromedp.ConsoleError && !m.IsException() || wanted {
			continue
		}
		p.mu.Lock()
		p.problems = append(p.problems, m.Text+" "+m.URL)
		p.mu.Unlock()
	}
}

func (p *tab) do(steps ...chromedp.Action[void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p, steps...))
}

func (p *tab) open(path string) {
	p.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = p.base + path
	}
	p.do(chromedp.Navigate(path), chromedp.WaitReady("body"))
}

// showing is a script that reports whether a part of the page shows a text.
func showing(selector, want string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.textContent.replace(/\s+/g, " ").includes(%q))`, selector, want)
}

// text waits until a part of the page, which may be replaced meanwhile, shows a text.
func (p *tab) text(selector, want string) {
	p.t.Helper()
	p.true(showing(selector, want), fmt.Sprintf("%s shows %q", selector, want))
}

// true waits until a script says so. A page that is being loaded anew says nothing.
func (p *tab) true(script, what string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		ok, err := chromedp.Run(p, chromedp.Evaluate[bool](script))
		return err == nil && ok
	}, patience, poll, "never: %s", what)
}

// press clicks and waits for the page that comes of it.
func (p *tab) press(selector string) {
	p.t.Helper()
	_, err := chromedp.RunResponse(p, chromedp.Click(chromedp.CSS(selector)))
	require.NoError(p.t, err, selector)
}

// fetch sends a request from a script of the page.
func (p *tab) fetch(method, path string) int {
	p.t.Helper()
	status, err := chromedp.Run(p, chromedp.Evaluate[int](
		fmt.Sprintf(`fetch(%q, {method: %q}).then((r) => r.status)`, path, method), chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return status
}

// A person's way: log in, upload, look at the plan, apply it, watch it finish, retry what failed, download the results.
func TestBrowser(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 30, Latency: 20 * time.Millisecond}})
	p := newTab(t, b)
	p.do(chromedp.WaitVisible(chromedp.CSS(`#running`)))
	history, err := chromedp.Call(p, cdppage.GetNavigationHistory, cdp.Empty{})
	require.NoError(t, err)
	for _, entry := range history.Entries {
		require.NotContains(t, entry.URL, "key=", "the login key is not kept")
	}
	p.press(`nav a[href="/upload"]`)

	csv := filepath.Join(t.TempDir(), "names.csv")
	require.NoError(t, os.WriteFile(csv, []byte(rows(30, "spring <b>&amp;.jpg")), 0o600))
	p.do(chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{csv}))
	p.press(`main form button.main`)
	p.text("#plan", "30 of 30 rows would change")
	p.text("#plan ins", "spring <b>&amp;.jpg")

	for _, n := range []int{3, 4} {
		b.api.FailAsset(standin.AssetID(n), standin.Status(http.StatusNotFound))
	}
	p.press(`form[action="/batch/1/apply"] button`)
	p.text("#progress", "0 of 30 rows done")
	b.work(t)
	p.true(`document.querySelector("#progress .big")?.textContent.startsWith("30")`, "all rows are done, without a click")
	p.text("#causes", "resource_not_found")

	p.press(`#causes a[href*="#rows"]`)
	p.text("#rows", "2 rows match")
	p.do(chromedp.Click(chromedp.CSS(`#rows button[popovertarget=retry]`)), chromedp.WaitVisible(chromedp.CSS(`#retry`)))
	p.press(`form[action="/batch/1/retry"] button.main`)
	p.text(".flash", "2 rows will be sent again")
	p.true(`!document.querySelector("#causes") && document.querySelector("#progress .big")?.textContent.startsWith("30")`, "the retried rows succeed")
	require.Equal(t, "spring <b>&amp;.jpg", b.api.Name(standin.AssetID(3), ""))

	results := p.download(`#rows a[download]`)
	require.Equal(t, 31, strings.Count(results, "\n"))
	require.Equal(t, 30, strings.Count(results, ",succeeded,200,"))

	p.press(`nav a[href="/log"]`)
	for _, what := range []string{"upload", "apply", "retry"} {
		p.text("td", what)
	}
	p.riverButtons(b)
	p.press(`nav a[href="/sessions"]`)
	p.text("td", "this browser")
	p.press(`form[action="/sessions/1/end"] button`)
	p.text("main", "Open the link from the terminal")
}

// The same way with a browser that runs no scripts: each page is right when it is loaded again.
func TestBrowserWithoutScripts(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 30}})
	p := newTab(t, b)
	_, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	p.open("/upload")
	csv := filepath.Join(t.TempDir(), "names.csv")
	require.NoError(t, os.WriteFile(csv, []byte(rows(30, "spring.jpg")), 0o600))
	p.do(chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{csv}))
	p.press(`main form button.main`)
	p.again("/batch/1", "#plan", "30 of 30 rows would change")
	p.true(`document.getElementById("theme").hidden`, "what takes a script is not offered")
	b.api.FailAsset(standin.AssetID(3), standin.Status(http.StatusNotFound))
	p.press(`form[action="/batch/1/apply"] button`)
	p.text("#progress", "0 of 30 rows done")
	p.press(`form[action="/batch/1/pause"] button`)
	p.text("#head .badge", "paused")
	p.press(`form[action="/batch/1/resume"] button`)
	b.work(t)
	p.again("/batch/1?status=failed", "#causes", "resource_not_found")
	p.do(chromedp.Click(chromedp.CSS(`#rows button[popovertarget=retry]`)), chromedp.WaitVisible(chromedp.CSS(`#retry`)))
	p.press(`form[action="/batch/1/retry"] button.main`)
	p.text(".flash", "1 row will be sent again")
	p.again("/batch/1?status=succeeded", "#rows", "30 rows match")
}

// Keys go places, and the menu of a phone is one row.
func TestBrowserKeysAndMenu(t *testing.T) {
	b := setup(t, settings{noToken: true})
	p := newTab(t, b)
	key := func(k string) string {
		return fmt.Sprintf(`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true}))`, k)
	}
	p.open("/asset")
	p.true(key("/")+`, document.activeElement.name === "id"`, "the search has the focus")
	p.open("/")
	p.true(key("g")+`, `+key("s"), "a key is pressed")
	p.true(`location.pathname === "/schedules"`, "g s goes to the schedules")
	p.size(phoneWidth, 844)
	p.true(`document.querySelector("header.top").offsetHeight < 70`, "the head is one row")
	p.do(chromedp.Click(chromedp.CSS(`button.menu`)), chromedp.WaitVisible(chromedp.CSS(`#menu a[href="/log"]`)))
	p.press(`#menu a[href="/log"]`)
	p.true(`location.pathname === "/log"`, "the menu leads to a page")
}

// While a person types a cron expression, the page says when it is due.
func TestBrowserTimes(t *testing.T) {
	b, _ := scheduled(t, settings{noToken: true})
	p := newTab(t, b)
	p.open("/schedules/new")
	p.do(chromedp.SendKeys(chromedp.CSS(`[name=cron]`), "30 6 * * 1"))
	p.text("#times", "every Monday at 06:30, UTC")
	p.do(chromedp.SendKeys(chromedp.CSS(`[name=cron]`), "7"))
	p.text("#times", `day of week: "17" is not right`)
	p.true(`document.querySelector("[name=check]") === null`, "no button is needed for that")
}

// A CSV is dropped on the form, which asks which of its columns is which.
func TestBrowserDropsFile(t *testing.T) {
	b := setup(t, settings{noToken: true})
	p := newTab(t, b)
	p.open("/upload")
	p.true(`(() => {
		const data = new DataTransfer();
		data.items.add(new File(["Ref,Title\n`+standin.AssetID(1)+`,spring.jpg\n"], "names.csv"));
		document.querySelector("main form p").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
		return document.querySelector("[type=file]").files.length === 1;
	})()`, "the file is taken")
	p.text("#columns td", "spring.jpg")
	p.axe(readAxe(t), "the mapping")
	p.true(`["asset_id", "display_name"].every((name, i) => { document.querySelector("[name=map-" + name + "]").selectedIndex = i + 1; return true; })`, "columns are chosen")
	p.press(`main form button.main`)
	p.text("#rows", "spring.jpg")
}

// An event that is not the live part of a page changes nothing, and loads no page.
func TestBrowserIgnoresStrangeEvents(t *testing.T) {
	b := setup(t, settings{noToken: true})
	require.Equal(t, http.StatusSeeOther, b.login(t, RoleChange).upload(rows(3, "new.jpg")).StatusCode)
	p := newTab(t, b)
	_, err := chromedp.Call(p, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{
		Source: `const Source = EventSource; window.EventSource = function (url) { return window.source = new Source(url); }`,
	})
	require.NoError(t, err)
	p.open("/batch/1")
	p.true(`window.source?.onmessage !== null`, "the stream is open")
	for _, data := range []string{"", "text", "<p>x</p>", "<svg></svg>"} {
		p.true(fmt.Sprintf(`(window.same = true, source.onmessage({data: %q}), window.same)`, data), "the page takes "+data)
	}
	p.true(`window.same && source.readyState !== EventSource.CLOSED && document.querySelector("#live #head") !== null`, "the page is as before")
}

// again loads a page until it shows a text.
func (p *tab) again(path, selector, want string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		p.open(path)
		ok, err := chromedp.Run(p, chromedp.Evaluate[bool](showing(selector, want)))
		return err == nil && ok
	}, patience, poll, "%s never shows %q", path, want)
}

// riverButtons presses one of River UI's, which takes our script to work.
func (p *tab) riverButtons(b *testBundle) {
	p.t.Helper()
	p.open("/river/queues")
	p.text("body", "site-default")
	require.Equal(p.t, http.StatusOK, p.fetch(http.MethodPut, "/river/api/queues/site-default/pause"))
	p.open("/")
	require.Equal(p.t, http.StatusUnsupportedMediaType, p.fetch(http.MethodPut, "/river/api/queues/site-default/resume"), "from a page without the script")
	entries, err := records.AuditEntries(p.t.Context(), b.DB, "", 0, 1)
	require.NoError(p.t, err)
	require.Equal(p.t, "river ui", entries[0].Via)
}

// download clicks a link and gives what was saved.
func (p *tab) download(selector string) string {
	p.t.Helper()
	folder := p.t.TempDir()
	ctx, cancel := context.WithTimeout(p, patience)
	defer cancel()
	_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		BrowserContextID: chromedp.FromContext(p).BrowserContextID,
		Behavior:         cdpbrowser.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: folder, EventsEnabled: ptr(true),
	})
	require.NoError(p.t, err)
	downloads := chromedp.BrowserEvents(ctx, cdpbrowser.DownloadProgress)
	p.do(chromedp.Click(chromedp.CSS(selector)))
	for e, err := range downloads {
		require.NoError(p.t, err)
		if e.State == cdpbrowser.DownloadProgressStateCompleted {
			text, err := os.ReadFile(filepath.Join(folder, e.GUID))
			require.NoError(p.t, err)
			return string(text)
		}
	}
	p.t.Fatal("the download does not end")
	return ""
}

func ptr[T any](v T) *T { return &v }

// Each page in both themes, on a desk and on a phone: nothing is wider than the screen, and axe-core finds nothing.
func TestScreens(t *testing.T) {
	b := setup(t, settings{api: standin.Config{Assets: 200}, limit: 120})
	b.example(t)
	dbtest.Exec(t, b, `UPDATE site SET notify_urls = ARRAY['https://hooks.example.com/secret', 'smtps://mail.example.com:465?to=operations@example.com,developers@example.com']`)
	p := newTab(t, b)
	axe := readAxe(t)
	locked := setup(t, settings{config: Config{Password: "correct horse"}})
	pages := []struct{ name, path, see string }{
		{"login", locked.url + "/login", "input[type=password]"},
		{"overview", "/", "#running"},
		{"batches", "/batches", "#list"},
		{"batch", "/batch/1", "#causes"},
		{"plan", "/batch/3", "#plan"},
		{"asset", "/asset?id=" + standin.AssetID(7), ".story"},
		{"assets", "/assets?sort=changed", "#assets"},
		{"assets-table", "/assets?view=table&sort=changed", "#assets"},
		{"log", "/log", "table"},
		{"upload", "/upload", "form"},
		{"sessions", "/sessions", "table"},
		{"schedules", "/schedules", "table"},
		{"schedule", "/schedule/nightly", "#runs"},
		{"schedule-form", "/schedule/nightly/edit", "form"},
		{"sites", "/sites", "table"},
		{"site-form", "/site/default/edit", "form"},
		{"river", "/river/jobs?state=completed", "main"},
	}
	for _, size := range []struct {
		name string
		w, h int64
	}{{"desk", 1280, 800}, {"phone", phoneWidth, 844}} {
		for _, one := range pages {
			p.size(size.w, size.h)
			p.open(one.path)
			p.do(chromedp.WaitVisible(chromedp.CSS(one.see)))
			if one.name == "river" {
				p.text(one.see, "rename") // it asks for its figures after it was loaded
			}
			p.inThemes(func(theme string) {
				wide, err := chromedp.Run(p, chromedp.Evaluate[bool](fmt.Sprintf(`document.documentElement.scrollWidth > %d`, size.w)))
				require.NoError(t, err)
				require.False(t, wide, "%s is wider than a %s", one.path, size.name)
				if *screens != "" {
					p.picture(strings.Join([]string{one.name, size.name, theme}, "-"), size.h)
				}
			})
			if one.name != "river" { // its pages are not ours
				p.axe(axe, one.name+" "+size.name)
			}
		}
		p.axeForms(axe, size.name)
	}
}

// noPage is the address of a batch that does not exist, which shows the page of errors.
const noPage = "/batch/999999"

// axeForms checks what has no picture: empty forms, the dialog of a retry, and the page of errors.
func (p *tab) axeForms(axe, size string) {
	p.t.Helper()
	for _, path := range []string{"/schedules/new", "/sites/new", "/asset", "/batch/1?status=failed", noPage} {
		p.open(path)
		p.do(chromedp.Evaluate[void](`document.querySelector("#retry")?.showPopover(); undefined`))
		p.axe(axe, path+" "+size)
	}
}

const (
	phoneWidth = 390
	maxPicture = 1080 // pixels of a page's height are kept; of River UI, whose foot stays in sight, the window
)

// size sets the size of the screen.
func (p *tab) size(width, height int64) {
	p.t.Helper()
	_, err := chromedp.Call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width == phoneWidth,
	})
	require.NoError(p.t, err)
}

// inThemes does something to the open page in each theme that a system may ask for.
func (p *tab) inThemes(do func(theme string)) {
	p.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		_, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
		require.NoError(p.t, err)
		do(theme)
	}
}

func (p *tab) picture(name string, window int64) {
	p.t.Helper()
	high := float64(maxPicture)
	if strings.HasPrefix(name, "river") {
		high = float64(window)
	}
	metrics, err := chromedp.Call(p, cdppage.GetLayoutMetrics, cdp.Empty{})
	require.NoError(p.t, err)
	size := metrics.CSSContentSize
	shot, err := chromedp.Call(p, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{
		CaptureBeyondViewport: ptr(true),
		Clip:                  &cdppage.Viewport{Width: size.Width, Height: min(size.Height, high), Scale: 1},
	})
	require.NoError(p.t, err)
	raw := shot.Data
	require.NotEmpty(p.t, raw)
	require.NoError(p.t, os.WriteFile(filepath.Join(*screens, name+".png"), fewColours(p.t, raw), 0o644))
}

// fewColours makes a picture small: pages have few colours.
func fewColours(t testing.TB, raw []byte) []byte {
	t.Helper()
	src, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	out := image.NewPaletted(src.Bounds(), paletteOf(src))
	imagedraw.Draw(out, out.Bounds(), src, src.Bounds().Min, imagedraw.Src)
	var buf bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&buf, out))
	return buf.Bytes()
}

// paletteOf is a picture's most frequent colours, of each group of eight shades one.
func paletteOf(src image.Image) color.Palette {
	const most = 72
	type shade struct {
		n     int
		exact map[color.RGBA]int
	}
	shades := map[[3]uint32]*shade{}
	for y := src.Bounds().Min.Y; y < src.Bounds().Max.Y; y++ {
		for x := src.Bounds().Min.X; x < src.Bounds().Max.X; x++ {
			c := src.At(x, y)
			r, g, bl, _ := c.RGBA()
			key := [3]uint32{r >> 11, g >> 11, bl >> 11}
			if shades[key] == nil {
				shades[key] = &shade{exact: map[color.RGBA]int{}}
			}
			shades[key].n++
			shades[key].exact[color.RGBAModel.Convert(c).(color.RGBA)]++
			if high, low := max(r, g, bl), min(r, g, bl); high-low > 0x4000 {
				shades[key].n += 30 // a dot in a legend is small, and means something
			}
		}
	}
	var out color.Palette
	for len(out) < most && len(shades) > 0 {
		var best [3]uint32
		n := -1
		for key, s := range shades {
			if s.n > n {
				best, n = key, s.n
			}
		}
		out = append(out, mostOf(shades[best].exact))
		delete(shades, best)
	}
	return out
}

// mostOf is the colour that is there most often, of several the darkest, so that two runs choose the same.
func mostOf(n map[color.RGBA]int) color.RGBA {
	return slices.MaxFunc(slices.Collect(maps.Keys(n)), func(a, b color.RGBA) int {
		return cmp.Or(n[a]-n[b], cmp.Compare(int(b.R)<<16|int(b.G)<<8|int(b.B), int(a.R)<<16|int(a.G)<<8|int(a.B)))
	})
}
