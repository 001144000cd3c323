package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Groups of commands in the help.
const (
	groupMain   = "main"
	groupReport = "report"
	groupSteer  = "steer"
	groupSetUp  = "setup"
)

// Commands returns the commands without running one: manual pages and completions are made
// from them.
func Commands() *cobra.Command { return newApp(Params{}).rootCommand() }

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "relabel",
		Short: "Rename assets on Webflow sites in bulk",
		Long: `relabel renames assets on Webflow sites in bulk. Load the rows once: every row ends in
exactly one known state, the newest name wins, and the API's rate limit is used fully
but never exceeded. You can interrupt it at any time; it continues where it stopped.`,
		Example: `  relabel demo                         try it: nothing else is needed
  relabel run names.csv --rehearse     your rows, against a stand-in for the API
  WEBFLOW_TOKEN=... relabel run names.csv`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version(),
		Args:          noCommand,
		RunE:          showHelp,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.HasSubCommands() || strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) {
				return nil // it only shows its help, or what a line can go on with
			}
			return a.configure()
		},
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetIn(a.In)
	root.SetVersionTemplate("relabel {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print the result as JSON")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress, notes or warnings")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log what the workers do")
	f.StringVar(&a.databaseURL, "database-url", "", "PostgreSQL to use, as a `URL` (default $DATABASE_URL, else a private one)")
	f.StringVar(&a.site, "site", "default", "`NAME` of the site")
	completeFlag(root, "site", a.completeSite())
	a.addCommands(root)
	return root
}

func (a *app) addCommands(root *cobra.Command) {
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{groupMain, "Rename:", []*cobra.Command{a.demoCommand(), a.runCommand(), a.planCommand(), a.renameCommand(), a.applyCommand(), a.undoCommand(), a.enqueueCommand(), a.workCommand()}},
		{groupReport, "See what happens:", []*cobra.Command{a.statusCommand(), a.resultsCommand(), a.verifyCommand(), a.pullCommand(), a.rowsCommand(), a.whyCommand(), a.serveCommand()}},
		{groupSteer, "Control:", []*cobra.Command{a.batchCommand(), a.scheduleCommand(), a.ruleCommand(), a.siteCommand(), a.pruneCommand()}},
		{groupSetUp, "Set up and check:", []*cobra.Command{a.userCommand(), a.tokenCommand(), a.migrateCommand(), a.dbCommand(), a.doctorCommand(), a.versionCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID(groupSetUp)
	root.SetCompletionCommandGroupID(groupSetUp)
	root.AddCommand(topicCommands()...)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() { // these need no environment, and should work when it is wrong
		if slices.Contains([]string{"version", "help", "completion"}, c.Name()) {
			c.PersistentPreRunE = func(*cobra.Command, []string) error { return nil }
		}
		switch c.Name() { // cobra's own accept any word
		case "completion":
			c.Args, c.RunE = noCommand, showHelp
		case "help":
			c.Args = helpArgs
		}
	}
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// flagError describes a wrong flag in one line, with a hint to the help.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if e := (*pflag.InvalidValueError)(nil); errors.As(err, &e) {
		kind := "a value of another kind"
		switch e.GetFlag().Value.Type() {
		case "int":
			kind = "a whole number"
		case "float64":
			kind = "a number"
		case "bool":
			kind = "true or false"
		}
		text = fmt.Sprintf("--%s takes %s, not %q", e.GetFlag().Name, kind, e.GetValue())
	}
	return usageError("%s; see `%s --help`", text, cmd.CommandPath())
}

// noCommand refuses an unknown command as wrong usage.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	for distance := 1; distance <= 2 && hint == ""; distance++ { // letters; 2 is what cobra itself uses
		cmd.SuggestionsMinimumDistance = distance
		if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
			hint = fmt.Sprintf("; did you mean %q?", s[0])
		}
	}
	return usageError("there is no command %q%s; see `%s --help`",
		strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name())+" "+args[0]), hint, cmd.CommandPath())
}

// helpArgs refuses the help of a command that does not exist.
func helpArgs(cmd *cobra.Command, args []string) error {
	found, rest, _ := cmd.Root().Find(args) // commands check their own arguments
	if len(rest) > 0 {
		return noCommand(found, rest)
	}
	return nil
}

// noArgs refuses arguments as wrong usage. what is what the command takes instead.
func noArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError("`%s` takes %s; see `%s --help`", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return nil
	}
}
