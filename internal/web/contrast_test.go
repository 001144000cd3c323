package web

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// palettes are the colours of each theme by name; the dark one is there twice, once for those who ask for it by the button.
func palettes(t testing.TB) (light, dark map[string]string) {
	t.Helper()
	css, err := files.ReadFile("static/app.css")
	require.NoError(t, err)
	var all []map[string]string
	for _, block := range regexp.MustCompile(`(?s):root\S* \{\n(.*?)\n\}`).FindAllSubmatch(css, -1) {
		colours := map[string]string{}
		for _, v := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+);`).FindAllSubmatch(block[1], -1) {
			colours[string(v[1])] = string(v[2])
		}
		all = append(all, colours)
	}
	require.Len(t, all, 3)
	require.Equal(t, all[1], all[2], "dark is dark, whoever asks")
	require.Equal(t, slices.Sorted(maps.Keys(all[0])), slices.Sorted(maps.Keys(all[1])))
	return all[0], all[1]
}

// luminance is as WCAG 2 has it.
func luminance(t testing.TB, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		require.NoError(t, err)
		c := float64(n) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t testing.TB, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Everything can be read in both themes: WCAG's AA for text (4.5) and for what stands for something (3).
func TestContrast(t *testing.T) {
	t.Parallel()
	light, dark := palettes(t)
	require.InDelta(t, 21, contrast(t, "fff", "000000"), 0.01)
	grounds := []string{"ground", "card", "warn-ground", "good-ground", "bad-ground"}
	for theme, c := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, ground := range grounds {
			for _, text := range []string{
				"ink", "dim", "accent", "succeeded", "failed", "conflict", "sending", "pending", "unchanged", "superseded", "cancelled", "invalid",
			} {
				require.GreaterOrEqual(t, contrast(t, c[text], c[ground]), 4.5, "%s: %s on %s", theme, text, ground)
			}
			for _, drawn := range []string{"focus", "edge", "limited"} {
				require.GreaterOrEqual(t, contrast(t, c[drawn], c[ground]), 3.0, "%s: %s on %s", theme, drawn, ground)
			}
		}
		require.GreaterOrEqual(t, contrast(t, c["on-accent"], c["accent"]), 4.5, theme)
		require.GreaterOrEqual(t, contrast(t, c["card"], c["failed"]), 4.5, theme)
		require.GreaterOrEqual(t, contrast(t, c["ink"], c["track"]), 4.5, theme)
	}
}
