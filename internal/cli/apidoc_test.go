package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fenced       = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	apiPath      = regexp.MustCompile(`api/v1(/[a-z.]+[^"'?\s\\]*)`)
	apiParameter = regexp.MustCompile(`\$\w+|\{\{.*?\}\}`)
)

// The recipes of docs/api.md for curl work in a shell, with the built program. Those for
// n8n and Airflow use operations that there are.
func TestAPIRecipes(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	blocks := map[string]string{}
	for _, m := range fenced.FindAllStringSubmatch(strings.ReplaceAll(string(page), "\r\n", "\n"), -1) {
		blocks[m[1]] += m[2]
	}
	require.True(t, json.Valid([]byte(blocks["json"])), blocks["json"])
	document, err := os.ReadFile("../../docs/openapi.json")
	require.NoError(t, err)
	for _, kind := range []string{"json", "python"} {
		found := apiPath.FindAllStringSubmatch(apiParameter.ReplaceAllString(blocks[kind], "{batch}"), -1)
		require.Len(t, found, 2, kind)
		for _, m := range found {
			require.Contains(t, string(document), `"/api/v1`+m[1]+`": {`)
		}
	}

	if _, err := exec.LookPath("curl"); err != nil {
		require.Empty(t, os.Getenv("RELABEL_REQUIRE_CURL"), "curl is missing, which this machine should have")
		t.Skip("curl is missing, which the recipes use")
	}
	b := recipeSite(t)
	work := b.start("", "work", "--serve", "127.0.0.1:0")
	work.says("read-only:")
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(work.stderr.String())
	got := b.shell("set -eo pipefail\n" + strings.ReplaceAll(blocks["sh"], "https://relabel.example.com", address))
	require.Zero(t, got.code, got.output)
	require.Contains(t, b.read("results.csv"), "hero-autumn.jpg,,succeeded,200")
	require.Contains(t, b.read("plan.json"), `"change":1`)
	info, err := os.Stat(filepath.Join(b.dir, "auth"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "others can read the token")
	work.signal(syscall.SIGINT)
	work.wait()
}
