package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"

	"github.com/spf13/cobra"

	"relabel/internal/embedpg"
)

func (a *app) psqlCommand() *cobra.Command {
	return &cobra.Command{
		Use: "psql [-- ARGS]", Short: "Connect to the private PostgreSQL with psql", ValidArgsFunction: completeNothing,
		Example: "  relabel db psql\n  relabel db psql -- -c 'TABLE relabel.batch'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.private(cmd.Context(), func(ctx context.Context, cfg embedpg.Config) error {
				return a.psql(ctx, cfg, args)
			})
		},
	}
}

// psql has the terminal and handles Ctrl-C itself. Meanwhile Ctrl-C must stop neither
// relabel nor the server.
func (a *app) psql(ctx context.Context, cfg embedpg.Config, args []string) error {
	s, err := embedpg.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = closeServer(s) }()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	cmd, err := s.Psql(context.WithoutCancel(ctx), args...)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.stdout.Writer, a.screen.Raw
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exitErr{code: exitError} // psql has printed why
	}
	return err
}
