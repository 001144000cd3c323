package web

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer func() {
		for _, end := range endBrowser {
			end()
		}
	}()
	return m.Run()
}

// theBrowser runs one browser for all tests, because starting it takes seconds of CPU time. Each
// test has a context of its own in it, with no cookies of others.
//
//nolint:gochecknoglobals // it ends with the test process
var (
	theBrowser = sync.OnceValues(startBrowser)
	endBrowser []func()
)

func startBrowser() (context.Context, error) {
	profile, err := os.MkdirTemp("", "relabel-browser-*")
	if err != nil {
		return nil, err
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium()), chromedp.NoSandbox, chromedp.Flag("no-proxy-server", true), chromedp.UserDataDir(profile))...)
	ctx, endFirst := chromedp.NewContext(ctx)
	endBrowser = []func(){endFirst, end, func() { _ = os.RemoveAll(profile) }}
	return ctx, chromedp.Do(ctx)
}
