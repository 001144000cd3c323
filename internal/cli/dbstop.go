package cli

import (
	"context"

	"relabel/internal/embedpg"
)

func (a *app) dbStop(ctx context.Context, cfg embedpg.Config) error {
	if err := embedpg.Stop(ctx, cfg); err != nil {
		return err
	}
	if a.json {
		return a.result.print(runningJSON{})
	}
	a.note("private PostgreSQL is stopped")
	return nil
}
