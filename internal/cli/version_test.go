package cli

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// A release knows its version from the linker, `go install …@v1.2.3` from the module, and a
// build of a checkout from Git.
func TestNewVersion(t *testing.T) {
	t.Parallel()
	git := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-11-27T18:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}
	linked := versionJSON{"1.2.3", "abc", "2026-01-02T03:04:05Z"}
	for name, tt := range map[string]struct {
		linked versionJSON
		info   debug.BuildInfo
		want   versionJSON
	}{
		"release":   {linked, debug.BuildInfo{Main: debug.Module{Version: "v9.9.9"}, Settings: git}, linked},
		"installed": {versionJSON{}, debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, versionJSON{Version: "1.2.3"}},
		"checkout":  {versionJSON{}, debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: git}, versionJSON{"dev+0123456789ab.modified", "0123456789abcdef", "2026-11-27T18:00:00Z"}},
		"archive":   {versionJSON{}, debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, versionJSON{Version: "dev"}},
		"nothing":   {versionJSON{}, debug.BuildInfo{}, versionJSON{Version: "dev"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, newVersion(tt.linked, &tt.info))
		})
	}
}
