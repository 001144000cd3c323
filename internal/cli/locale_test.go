package cli

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// reads counts the calls that rename nothing.
func (b *testBundle) reads() (n int) {
	for _, c := range b.api.Log() {
		if c.Method == http.MethodGet {
			n++
		}
	}
	return n
}

// inLocale is a CSV that names an asset in a locale, by its id or by none.
func inLocale(locale, name string) string {
	return "asset_id,locale_id,display_name\n" + standin.AssetID(0) + "," + locale + "," + name + "\n"
}

// The primary locale by its own id is the target that it is without one: the newer
// name wins, whatever way either is written. Webflow is asked once.
func TestPrimaryLocaleIsOneTarget(t *testing.T) {
	for name, siteID := range map[string]string{"the site is set": standin.SiteID, "an asset names the site": ""} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, standin.Config{Assets: 2})
			reads := 2
			if siteID != "" {
				b.ok("site", "set", "--site-id", siteID)
				reads = 1
			}
			b.file("both.csv", inLocale("", "first")+strings.SplitN(inLocale(strings.ToUpper(standin.PrimaryLocale), "last"), "\n", 2)[1])
			old := b.enqueue(inLocale(standin.PrimaryLocale, "OLD"))
			b.enqueue(inLocale("", "NEW"))
			b.enqueue(inLocale(standin.FrenchLocale, "nouveau"))
			b.ok("work", "--until-done")
			require.Equal(t, 1., b.status(old)["superseded"])
			require.Equal(t, "NEW", b.api.Name(standin.AssetID(0), ""))
			require.Equal(t, "nouveau", b.api.Name(standin.AssetID(0), standin.FrenchLocale))
			require.Equal(t, 2, b.patches())

			v := b.ok("run", "both.csv", "--json").json()
			require.Equal(t, []any{1., 1.}, []any{v["superseded"], v["succeeded"]})
			require.Equal(t, "last", b.api.Name(standin.AssetID(0), ""))
			require.Equal(t, reads, b.reads(), "it is kept")

			byID := b.ok("rows", "list", "--csv", "--locale", standin.PrimaryLocale).stdout
			require.Equal(t, b.ok("rows", "list", "--csv", "--locale", "primary").stdout, byID)
			require.Contains(t, byID, "NEW")
			require.NotContains(t, byID, "nouveau")
			require.Contains(t, b.ok("why", standin.AssetID(0), "--locale", standin.PrimaryLocale).stdout, "NEW")
		})
	}
}

// Where it can't be found out which locale is the primary one, the load works all
// the same, and says what that means.
func TestPrimaryLocaleIsNotKnown(t *testing.T) {
	b := setup(t, standin.Config{Assets: 2})
	b.file("rows.csv", inLocale(standin.PrimaryLocale, "a"))
	b.file("blank.csv", inLocale("", "b"))
	const says = "primary locale's id is not known"
	require.NotContains(t, b.with("WEBFLOW_TOKEN", "").ok("enqueue", "blank.csv").stderr, says, "nobody asks")
	require.Contains(t, b.with("WEBFLOW_TOKEN", "").ok("enqueue", "rows.csv").stderr, says)
	require.Zero(t, b.api.Calls())

	b.ok("site", "set", "--site-id", standin.SiteID)
	b.api.FailNext(standin.Status(http.StatusForbidden))
	r := b.ok("enqueue", "rows.csv")
	require.Contains(t, r.stderr, says)
	require.Contains(t, r.stderr, "sites:read")
	require.NotContains(t, b.ok("run", "rows.csv", "--rehearse", "--quiet").stderr, says)
	require.Equal(t, 1, b.reads(), "a rehearsal asks nobody")

	require.NotContains(t, b.ok("enqueue", "rows.csv").stderr, says, "once the token may read, all is well")
	require.Equal(t, 2, b.reads())

	b.ok("site", "set", "--site-id", strings.Repeat("a", 24))
	require.Contains(t, b.ok("enqueue", "rows.csv").stderr, says, "another site has another one")
	b.ok("site", "set", "--site-id", standin.SiteID)
	b.ok("site", "check")
	require.NotContains(t, b.with("WEBFLOW_TOKEN", "").ok("enqueue", "rows.csv").stderr, says, "the check has told")
}
