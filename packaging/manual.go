// Command packaging writes what packages of relabel have besides the program: the manual
// pages of all commands (man/relabel.1, …) and the completions of shells (completions/…).
// GoReleaser runs it before it builds:
//
//	go run -C packaging . ../dist/manual 1767225600
//
// The number is the commit's Unix time: it dates the pages, so that the same commit gives the
// same files.
//
// It is a module of its own, so that relabel does not depend on what only packages and
// their tests need. The files beside it are in the packages too: services for systemd, the
// environment that they start with, and the scripts that run when a package is installed or
// removed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"relabel/internal/cli"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: packaging FOLDER UNIX-TIME")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(dir, unixTime string) error {
	seconds, err := strconv.ParseInt(unixTime, 10, 64)
	if err != nil {
		return fmt.Errorf("error reading the time: %w", err)
	}
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o750); err != nil { //nolint:gosec // the caller chooses the folder
			return fmt.Errorf("error making a folder: %w", err)
		}
	}
	if err := writeCompletions(cli.Commands(), completions); err != nil {
		return fmt.Errorf("error writing completions: %w", err)
	}
	if err := writeManual(cli.Commands(), man, time.Unix(seconds, 0).UTC()); err != nil {
		return fmt.Errorf("error writing manual pages: %w", err)
	}
	return nil
}

// writeCompletions names the files as the shells' folders want them.
func writeCompletions(root *cobra.Command, dir string) error {
	if err := root.GenBashCompletionFileV2(filepath.Join(dir, "relabel"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(dir, "_relabel")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(dir, "relabel.fish"), true)
}

func writeManual(root *cobra.Command, dir string, day time.Time) error {
	root.DisableAutoGenTag = true
	plain(root)
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "relabel", Manual: "relabel", Date: &day}, dir)
}

// plain keeps the help of a command and of those below it from being read as Markdown.
func plain(c *cobra.Command) {
	escape := strings.NewReplacer("*", `\*`, "<", `\<`, "_", `\_`, "[", `\[`)
	c.Long, c.Short = escape.Replace(c.Long), escape.Replace(c.Short)
	for _, sub := range c.Commands() {
		plain(sub)
	}
}
