package web

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// axeScript is axe-core, which checks a page for people who use a screen reader, a keyboard or
// strong colours. testdata/axe/README.md says where it comes from.
//
//go:embed testdata/axe/axe.min.js.gz
var axeScript []byte

// runAxe lists what axe-core finds on a page: the rule, the element and the reason.
const runAxe = `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.flatMap((v) =>
	v.nodes.map((n) => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " "))).join("\n"))`

func readAxe(t testing.TB) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(axeScript))
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

// axe checks the open page in both themes. Closed details are opened, because what is hidden is not checked.
func (p *tab) axe(script, page string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[void](`for (const d of document.querySelectorAll("details")) d.open = true; undefined`), chromedp.Evaluate[void](script))
	p.inThemes(func(theme string) {
		found, err := chromedp.Run(p, chromedp.Evaluate[string](runAxe, chromedp.EvalAwaitPromise))
		require.NoError(p.t, err, page)
		if found != "" {
			p.t.Errorf("axe-core on %s %s:\n%s", page, theme, strings.TrimSpace(found))
		}
	})
}
