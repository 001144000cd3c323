package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/pg"
)

func (a *app) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database schema up to date, or remove it",
		Long: `relabel keeps everything in the schema "` + pg.Schema + `" of its database. It migrates the private
PostgreSQL automatically. For a DATABASE_URL run relabel migrate up once, and again after each
update; it may run several times at once.`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		a.migrateSubcommand("up", "Create or update relabel's schema", (*db.DB).Migrate),
		a.migrateDownCommand(),
		a.migrateSubcommand("status", "Show the version of the database", nil),
	)
	return cmd
}

type migration func(*db.DB, context.Context) error

func (a *app) migrateSubcommand(use, short string, change migration) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.migrate(cmd.Context(), change) },
	}
}

func (a *app) migrateDownCommand() *cobra.Command {
	var yes bool
	cmd := a.migrateSubcommand("down", "Remove relabel's schema with all batches and results", (*db.DB).MigrateDown)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes {
			return usageError("this removes all batches and results: confirm with `relabel migrate down --yes`")
		}
		return run(cmd, args)
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really remove all data")
	return cmd
}

func (a *app) migrate(ctx context.Context, change migration) error {
	var s *session
	err := a.during(ctx, a.opening(), func() (err error) {
		s, err = a.openUnmigrated(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if change != nil {
		if err := a.during(ctx, "changing the schema", func() error { return change(s.DB, ctx) }); err != nil {
			return err
		}
	}
	st, err := s.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(st)
	}
	fmt.Fprintf(a.Out, "relabel's tables: version %d of %d; River's: %d of %d\n", st.Version, st.Latest, st.River, st.RiverLatest)
	switch {
	case st.Ahead():
		a.note("%s", st.Newer())
	case change == nil && !st.Current():
		a.note("next: relabel migrate up")
	}
	return nil
}

func (a *app) openUnmigrated(ctx context.Context) (*session, error) {
	if a.cfg.DatabaseURL == "" {
		return a.openPrivate(ctx)
	}
	d, err := db.Open(ctx, pg.Config{URL: a.cfg.DatabaseURL, Logger: a.log})
	if err != nil {
		return nil, err
	}
	return &session{DB: d, url: a.cfg.DatabaseURL}, nil
}
