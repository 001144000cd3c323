package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRelease makes a release as it would be, for one platform, and then looks at each file.
func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the packages are for Linux")
	}
	dist := release(t)
	t.Run("archive", func(t *testing.T) {
		list := run(t, dist, "tar", "--list", "--file", one(t, dist, "*.tar.gz"))
		for _, file := range []string{"/relabel", "/LICENSE", "/man/relabel-work.1", "/completions/_relabel", "/docs/ops/kubernetes.yaml"} {
			require.Contains(t, list, file+"\n")
		}
	})
	t.Run("version", func(t *testing.T) {
		var v struct{ Version, Commit, Date string }
		program := one(t, dist, "relabel_linux_*/relabel")
		require.NoError(t, json.Unmarshal([]byte(run(t, dist, program, "version", "--json")), &v))
		require.Contains(t, v.Version, "-next")
		require.NotEmpty(t, v.Commit)
		require.NotEmpty(t, v.Date)
	})
	t.Run("checksums", func(t *testing.T) { run(t, dist, "sha256sum", "--check", "--strict", "SHA256SUMS") })
	t.Run("SBOM", func(t *testing.T) { requireSBOM(t, one(t, dist, "*.cdx.json")) })
	t.Run("rpm", func(t *testing.T) {
		need(t, "rpm")
		file := one(t, dist, "*.rpm")
		require.Contains(t, run(t, dist, "rpm", "--checksig", file), "digests OK")
		list := run(t, dist, "rpm", "--query", "--package", "--list", file)
		for _, installed := range []string{"/usr/bin/relabel", "/usr/lib/systemd/system/relabel-work.service", "/usr/share/man/man1/relabel.1", "/usr/share/zsh/site-functions/_relabel"} {
			require.Contains(t, list, installed+"\n")
		}
		require.Contains(t, run(t, dist, "rpm", "--query", "--package", "--configfiles", file), "/etc/relabel/environment\n")
	})
	t.Run("deb", func(t *testing.T) { installDeb(t, one(t, dist, "*.deb")) })
}

// installDeb installs the package on a copy of this machine and boots that with systemd.
func installDeb(t *testing.T, file string) {
	t.Helper()
	for _, program := range []string{"dpkg", "unshare", "systemd-nspawn", "systemd-analyze", "man"} {
		need(t, program)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can mount the copy")
	}
	run(t, ".", "unshare", "--mount", "bash", "testdata/install.sh", file, t.TempDir())
}

// release runs GoReleaser with the configuration of releases, for this machine's platform alone.
func release(t *testing.T) (dist string) {
	t.Helper()
	text, err := os.ReadFile("../.goreleaser.yaml")
	require.NoError(t, err)
	config := string(text)
	for _, change := range [][2]string{
		{"dist: dist/release\n", "dist: dist/packages\n"},
		{"goos: [linux, darwin, windows]\n", "goos: [linux]\n"},
		{"goarch: [amd64, arm64]\n", "goarch: [" + runtime.GOARCH + "]\n"},
	} {
		require.Equal(t, 1, strings.Count(config, change[0]), change[0])
		config = strings.Replace(config, change[0], change[1], 1)
	}
	file := filepath.Join(t.TempDir(), "goreleaser.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	goreleaser := []string{"go", "tool", "-modfile=tools/release/go.mod", "goreleaser"}
	run(t, "..", append(goreleaser, "check")...)
	run(t, "..", append(goreleaser, "release", "--snapshot", "--clean", "--config", file)...)
	dist, err = filepath.Abs("../dist/packages")
	require.NoError(t, err)
	return dist
}

func requireSBOM(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var bom struct {
		BOMFormat  string
		Components []struct{ Name, Version, Purl string }
	}
	require.NoError(t, json.Unmarshal(text, &bom))
	require.Equal(t, "CycloneDX", bom.BOMFormat)
	versions := map[string]string{}
	for _, c := range bom.Components {
		versions[c.Name] = c.Version
	}
	require.Greater(t, len(versions), 50)
	require.Regexp(t, `^v0\.`, versions["github.com/riverqueue/river"])
}

// one is the path of the only file that matches.
func one(t *testing.T, dist, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dist, pattern))
	require.NoError(t, err)
	require.Len(t, files, 1, pattern)
	return files[0]
}

// need skips a test without the program, and fails it in the gate.
func need(t *testing.T, program string) {
	t.Helper()
	_, err := exec.LookPath(program)
	if err != nil && os.Getenv("RELABEL_REQUIRE_PACKAGES") != "" {
		t.Fatalf("%s is not installed, and RELABEL_REQUIRE_PACKAGES wants it", program)
	}
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
}

func run(t *testing.T, dir string, command ...string) (out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s:\n%s", strings.Join(command, " "), text)
	return string(text)
}
