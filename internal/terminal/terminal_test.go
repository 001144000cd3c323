package terminal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A table is never wider than the terminal, and keeps the most important columns.
func TestTable(t *testing.T) {
	t.Parallel()
	table := Table{
		Columns: []Column{{Name: "ID", Need: 1, Right: true}, {Name: "ASSET", Need: 2}, {Name: "EMPTY", Need: 3}, {Name: "STATUS", Need: 4}, {Name: "TEXT", Text: true}},
		Rows:    [][]string{{"7", "aaaaaaaaaaaaaaaaaaaaaaaa", "", "failed", "näme 名前 " + strings.Repeat("x", 60)}, {"1234", "b", "", "succeeded", ""}},
	}
	for width, want := range map[int]string{
		0: "  ID  ASSET                     STATUS     TEXT\n" +
			"   7  aaaaaaaaaaaaaaaaaaaaaaaa  failed     näme 名前 " + strings.Repeat("x", 60) + "\n" +
			"1234  b                         succeeded\n",
		80: "  ID  ASSET                     STATUS     TEXT\n" +
			"   7  aaaaaaaaaaaaaaaaaaaaaaaa  failed     näme 名前 xxxxxxxxxxxxxxxxxxxxxxxxxx…\n" +
			"1234  b                         succeeded\n",
		60: "  ID  ASSET                     TEXT\n" +
			"   7  aaaaaaaaaaaaaaaaaaaaaaaa  näme 名前 xxxxxxxxxxxxxxxxx…\n" +
			"1234  b\n",
	} {
		var out strings.Builder
		table.Print(&out, width)
		require.Equal(t, want, out.String(), "width %d", width)
	}
}

// Bars that a terminal has no room for are counted in a text.
func TestCut(t *testing.T) {
	t.Parallel()
	bars := []Progress{{Label: "a", Details: []string{"one"}}, {Label: "b", Details: []string{"two"}}, {Label: "c"}}
	for _, c := range []struct {
		height int
		bars   int
		below  []string
	}{
		{24, 3, []string{"site"}},
		{6, 3, []string{"site"}},
		{5, 1, []string{"and 2 more batches: relabel status", "site"}},
		{4, 1, []string{"and 2 more batches: relabel status", "site"}},
		{1, 1, []string{"and 2 more batches: relabel status", "site"}},
	} {
		got := Frame{Bars: bars, Below: []string{"site"}}.cut(80, c.height)
		require.Len(t, got.Bars, c.bars, "%d rows", c.height)
		require.Equal(t, c.below, got.Below, "%d rows", c.height)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		items []string
		width int
		want  []string
	}{
		{[]string{"one", "two"}, 80, []string{"one, two"}},
		{[]string{"one", "two"}, 7, []string{"one,", "two"}},
		{[]string{"one", "two three four"}, 9, []string{"one,", "two three", "four"}},
		{[]string{"unbreakable"}, 6, []string{"unbre…"}},
		{[]string{"日本語"}, 5, []string{"日本…"}},
		{[]string{"a", "b", "c", "d"}, 2, []string{"a,", "b,", "c…"}},
		{nil, 10, nil},
	} {
		require.Equal(t, c.want, wrap(c.items, c.width, 3), "%q at %d", c.items, c.width)
	}
}

// Names and reasons are foreign text: they begin no other line, and control no terminal.
func TestLinesAreEscaped(t *testing.T) {
	t.Parallel()
	const hostile = "x\nforged\x1b[2J\u202e"
	var out bytes.Buffer
	v := NewView(ViewConfig{Screen: NewScreen(&out)})
	v.Show(Frame{
		At:    time.Now(),
		Bars:  []Progress{{Label: "batch 1", Name: hostile, Total: 2, Unit: "rows", Details: []string{hostile}}},
		Below: []string{"site a: " + hostile},
	})
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.NotContains(t, out.String(), "\x1b")
	require.Contains(t, out.String(), `site a: x\u000aforged\u001b[2J\u202e`)
}
