package text

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 5_000_000: "5,000,000", -1234: "-1,234", -123: "-123"} {
		require.Equal(t, want, Number(n))
	}
	require.Equal(t, "1 row", Plural(1, "row", "rows"))
	require.Equal(t, "0 rows", Plural(0, "row", "rows"))
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                              "0 s",
		400 * time.Millisecond:         "0 s",
		45 * time.Second:               "45 s",
		time.Minute:                    "1 min",
		200 * time.Second:              "3 min 20 s",
		13*time.Hour + 53*time.Minute:  "13 h 53 min",
		52*time.Hour + 10*time.Minute:  "2 d 4 h",
		24*time.Hour + 30*time.Second:  "1 d 30 s",
		59*time.Second + 600*1_000_000: "1 min",
	} {
		require.Equal(t, want, Span(d), d)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 15, 0, 0, 0, time.Local)
	require.Equal(t, "15:04:05", Clock(now.Add(4*time.Minute+5*time.Second), now))
	require.Equal(t, "Tue 3 Mar 01:00", Clock(now.Add(10*time.Hour), now))
	require.Equal(t, "Tue 2 Mar 15:00", Clock(now.AddDate(1, 0, 0), now))
}

func TestLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b c", OneLine(" a\n  b\tc\n"))
	require.Equal(t, "a b\ufffd[31mc", Line("a\nb\x1b[31mc"))
	require.Equal(t, "näh…", Cut("nähmaschine", 4))
	require.Equal(t, "name", Cut("name", 4))
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain é 😀":            "plain é 😀",
		"a\x1b[2Jb":            `a\u001b[2Jb`,
		"a\u009b2Jb":           `a\u009b2Jb`,
		"a\nb\tc\r\n":          "a\nb\\u0009c\\u000d\n",
		"\u202ea\u200f\u061cb": `\u202ea\u200f\u061cb`,
		"a\x9bb\ufffd":         "a\ufffdb\ufffd",
		"👩\u200d👧":             "👩\u200d👧",
	} {
		require.Equal(t, want, Escape(in, "\n"))
	}
}
