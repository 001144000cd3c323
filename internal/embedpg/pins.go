package embedpg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// pin is an archive that may be downloaded: the PostgreSQL of zonkyio/embedded-postgres-binaries for one platform.
type pin struct{ platform, version, sha256 string }

// pins are the archives that relabel downloads, the newest version first. A checksum that is read from the archive's
// own server proves nothing, so the checksums are here.
//
// They are what other public projects pin for the same jars: all four come from one manifest, and two more projects
// agree with its last line. A wrong one would make the download fail, and would not let a changed archive pass. This
// compares them with the jars, and prints the lines of any other version:
//
//	go test ./internal/embedpg -run TestPinsOfRepository -v -embedpg.pins 17.5.0
func pins() []pin {
	return []pin{
		{"linux-amd64", "17.5.0", "646f3269075d1a23904127374e3cdbcef96beb32979fedee25d835877400fcbe"},
		{"linux-arm64v8", "17.5.0", "e02f27ff50ff2d90b6541d54f3f108505aacd84ea53c2890e976a684bfea2752"},
		{"darwin-amd64", "17.5.0", "fb70f783928e77c3d6ef5ca8ed644f1ac502f740fcfc032a375c8347820f2bdd"},
		{"darwin-arm64v8", "17.5.0", "e9d3398e10c2ec926395498b03e75ad1a24eeaed82895e756a7e173b202cf6de"},
	}
}

// name is the archive's name in the repository, and in the library's cache.
func (p pin) name() string { return "embedded-postgres-binaries-" + p.platform + "-" + p.version }

func (p pin) check(jar []byte) error {
	if sum := sha256.Sum256(jar); hex.EncodeToString(sum[:]) != p.sha256 {
		return fmt.Errorf("the download of %s has another checksum than relabel knows: it was changed on the way or at its source, and nothing of it was installed", p.name())
	}
	return nil
}

// platform is this machine, as the archives are named.
func platform() string {
	arch := runtime.GOARCH
	if arch == "arm64" {
		arch = "arm64v8"
	}
	if _, err := os.Stat("/etc/alpine-release"); err == nil {
		arch += "-alpine" // its C library is another one
	}
	return runtime.GOOS + "-" + arch
}

// repository is a Maven repository, and what may be downloaded from it.
type repository struct {
	url  string
	pins []pin
}

func mavenCentral() repository {
	return repository{url: "https://repo1.maven.org/maven2", pins: pins()}
}

func (r repository) jarURL(p pin) string {
	return fmt.Sprintf("%s/io/zonky/test/postgres/embedded-postgres-binaries-%s/%s/%s.jar", r.url, p.platform, p.version, p.name())
}

// pick returns the newest archive of a major version; 0 means any.
func (r repository) pick(platform string, major int) (pin, error) {
	for _, p := range r.pins {
		if p.platform == platform && (major == 0 || strings.HasPrefix(p.version, fmt.Sprintf("%d.", major))) {
			return p, nil
		}
	}
	what := "PostgreSQL"
	if major != 0 {
		what = fmt.Sprintf("PostgreSQL %d", major)
	}
	return pin{}, fmt.Errorf("relabel knows no checksum of %s for %s, and installs nothing unchecked", what, platform)
}
