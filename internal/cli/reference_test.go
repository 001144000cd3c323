package cli

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // a flag of the tests
var updateReference = flag.Bool("update", false, "write docs/reference.md instead of comparing it")

// TestReferenceIsCurrent holds docs/reference.md against the commands. After a
// change: go test ./internal/cli -run TestReferenceIsCurrent -update
func TestReferenceIsCurrent(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "reference.md")
	want := newReference(newApp(Params{}).rootCommand())
	if *updateReference {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(got), "\r\n", "\n") // as Git checks it out on Windows
	require.Equal(t, want, text, "docs/reference.md is out of date: see this test's comment")
}

// TestEnvironmentIsDocumented looks for names of variables in the source. Those
// of test builds and of the tests are no user's business.
func TestEnvironmentIsDocumented(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"RELABEL_FAILPOINT": true, "RELABEL_TIMES": true, "RELABEL_TEST_DATABASE_URL": true, "RELABEL_TEST_POSTGRES": true, "RELABEL_REQUIRE_PGBOUNCER": true, "RELABEL_REQUIRE_PROMTOOL": true}
	for _, e := range environmentTopic().entries {
		known[e.name] = true
	}
	variable := regexp.MustCompile(`"((?:RELABEL|WEBFLOW|DATABASE)_[A-Z_]+)"`)
	found := 0
	top := os.DirFS(filepath.Join("..", ".."))
	require.NoError(t, fs.WalkDir(top, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(top, name)
		for _, m := range variable.FindAllStringSubmatch(string(source), -1) {
			found++
			require.True(t, known[m[1]], "%s reads %s, which environmentTopic lacks", name, m[1])
		}
		return err
	}))
	require.NotZero(t, found)
}

// referencePage is docs/reference.md: all commands, in the order of the help.
type referencePage struct{ strings.Builder }

func newReference(root *cobra.Command) string {
	p := &referencePage{}
	p.printf(`# Reference

Every command with its options, the environment variables and the exit codes.
This page is generated from the commands; relabel COMMAND --help prints the same texts.

`)
	p.contents(root)
	p.printf("\n## Options of every command\n\n%s", p.options(root.PersistentFlags()))
	p.printf("\nResults go to standard output; progress, notes, warnings and errors to standard error.\n")
	for _, t := range topics() {
		p.topic(t)
	}
	for _, g := range root.Groups() {
		p.printf("\n## %s\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range p.ours(root) {
			if c.GroupID == g.ID {
				p.command(c)
			}
		}
	}
	return p.String()
}

func (p *referencePage) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// contents lists the sections, then the commands with a link and a line each.
func (p *referencePage) contents(root *cobra.Command) {
	titles := []string{"Options of every command"}
	for _, t := range topics() {
		titles = append(titles, t.title)
	}
	for _, g := range root.Groups() {
		titles = append(titles, strings.TrimSuffix(g.Title, ":"))
	}
	for _, title := range titles {
		p.printf("- %s\n", p.link(title, title))
	}
	p.printf("\n| command | does |\n| --- | --- |\n")
	for _, g := range root.Groups() {
		for _, c := range p.ours(root) {
			if c.GroupID == g.ID {
				p.line(c)
			}
		}
	}
}

func (p *referencePage) line(c *cobra.Command) {
	p.printf("| %s | %s |\n", p.link("`"+c.CommandPath()+"`", c.CommandPath()), p.cell(c.Short))
	for _, sub := range p.ours(c) {
		p.line(sub)
	}
}

// command describes a command, then those below it.
func (p *referencePage) command(c *cobra.Command) {
	p.printf("\n### %s\n\n%s\n", c.CommandPath(), p.prose(c))
	if len(c.Aliases) > 0 {
		p.printf("\nAlso: %s\n", strings.Join(c.Aliases, ", "))
	}
	if !c.HasSubCommands() {
		p.printf("\n%s", p.block(strings.TrimSuffix(c.UseLine(), " [flags]")))
	}
	if c.HasExample() {
		p.printf("\nExamples:\n\n%s", p.block(c.Example))
	}
	if flags := p.options(c.NonInheritedFlags()); flags != "" {
		p.printf("\nOptions:\n\n%s", flags)
	}
	for _, sub := range p.ours(c) {
		p.command(sub)
	}
}

// ours leaves out what cobra brings: help, and a completion for each shell.
func (p *referencePage) ours(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool {
		return sub.Hidden || sub.Name() == "help" || c.Name() == "completion"
	})
}

// prose is what the help says, or its one line as a sentence.
func (p *referencePage) prose(c *cobra.Command) string {
	text := strings.TrimSpace(c.Long)
	if text == "" {
		text = c.Short + "."
	}
	return strings.NewReplacer("*", `\*`, "<", `\<`).Replace(text)
}

// options lists flags as the help does, without --help itself.
func (p *referencePage) options(all *pflag.FlagSet) string {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	all.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" {
			shown.AddFlag(f)
		}
	})
	if !shown.HasAvailableFlags() {
		return ""
	}
	return p.block(shown.FlagUsagesWrapped(100))
}

func (p *referencePage) topic(t topic) {
	p.printf("\n## %s\n\n| | |\n| --- | --- |\n", t.title)
	for _, e := range t.entries {
		p.printf("| `%s` | %s |\n", e.name, p.cell(e.full()))
	}
	if t.note != "" {
		p.printf("\n%s\n", t.note)
	}
	p.printf("\n`relabel help %s` prints this too.\n", t.name)
}

func (p *referencePage) block(text string) string {
	return "```text\n" + strings.Trim(text, "\n") + "\n```\n"
}

func (p *referencePage) cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// link leads to a heading of the page, by the anchor that GitHub makes of it.
func (p *referencePage) link(text, heading string) string {
	return fmt.Sprintf("[%s](#%s)", text, strings.ReplaceAll(strings.ToLower(heading), " ", "-"))
}
