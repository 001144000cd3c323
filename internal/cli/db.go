package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"relabel/internal/embedpg"
)

var errNoPrivate = errors.New("DATABASE_URL is set, so the private PostgreSQL is not in use; unset it first")

func (a *app) dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "The private PostgreSQL, used if no DATABASE_URL is given",
		Long: `Without a DATABASE_URL relabel runs its own PostgreSQL. Commands start it when they need it,
and share it; the last one stops it. Its data stays in RELABEL_STATE_DIR.`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		a.dbSubcommand("status", "Show whether the private PostgreSQL runs, and where its data is", a.dbStatus),
		a.dbSubcommand("stop", "Stop the private PostgreSQL, unless another command uses it", a.dbStop),
		a.dbSubcommand("url", "Print the private PostgreSQL's address with the password, and keep it running until Ctrl-C", a.dbURL),
		a.psqlCommand(),
	)
	return cmd
}

func (a *app) dbSubcommand(use, short string, run func(context.Context, embedpg.Config) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.private(cmd.Context(), run) },
	}
}

func (a *app) private(ctx context.Context, run func(context.Context, embedpg.Config) error) error {
	if a.cfg.DatabaseURL != "" {
		return errNoPrivate
	}
	return run(ctx, embedpg.Config{StateDir: a.cfg.StateDir, Logger: a.log})
}
