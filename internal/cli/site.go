package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) siteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "site",
		Short: "Sites: where each token is, its limit, whether it is parked",
		Long: `A site is a Webflow site and its API token. The token is in an environment variable or a file,
and is never stored. The site "default" exists from the start and uses WEBFLOW_TOKEN. Sites that
share a token share its rate limit.

If the API refuses a site's token (401 or 403), the site is parked: its rows wait. A worker that
starts with a new token that works resumes the site. If you gave the same token a missing scope, run
relabel site resume.`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		a.siteSubcommand("list", "List all sites", "no arguments", a.siteList),
		a.siteSetCommand(), a.siteCheckCommand(), a.siteNoticesCommand(), a.sitePauseCommand(),
		a.siteSubcommand("resume", "Resume a parked or paused site", "no arguments; --site names the site", a.siteResume),
		a.siteRemoveCommand(),
	)
	return cmd
}

func (a *app) siteSubcommand(use, short, args string, run func(context.Context, *session) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: noArgs(args), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withSession(cmd.Context(), run) },
	}
}
