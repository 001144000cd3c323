package cli

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version, commit and date are set by the linker for releases
// (-X relabel/internal/cli.version=1.2.3).
var version, commit, date string //nolint:gochecknoglobals // only the linker changes them

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "This relabel's version", Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.result.print(thisVersion())
			}
			fmt.Fprintln(a.Out, "relabel "+Version())
			return nil
		},
	}
}

// Version is the version of this build.
func Version() string { return thisVersion().Version }

// thisVersion is what the linker was told, else what Go recorded in the program.
func thisVersion() versionJSON {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return newVersion(versionJSON{version, commit, date}, info)
}

func newVersion(v versionJSON, info *debug.BuildInfo) versionJSON {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	v.Commit = cmp.Or(v.Commit, set["vcs.revision"])
	v.Date = cmp.Or(v.Date, set["vcs.time"])
	if main := info.Main.Version; v.Version == "" && main != "(devel)" {
		v.Version = strings.TrimPrefix(main, "v")
	}
	v.Version = cmp.Or(v.Version, devVersion(set))
	return v
}

// devVersion names the commit of a build from a checkout.
func devVersion(set map[string]string) string {
	v := "dev"
	if commit := set["vcs.revision"]; commit != "" {
		v += "+" + commit[:min(len(commit), 12)]
	}
	if set["vcs.modified"] == "true" {
		v += ".modified"
	}
	return v
}
