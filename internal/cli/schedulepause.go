package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

func (a *app) schedulePauseCommand() *cobra.Command {
	var note string
	cmd := a.onSchedule("pause", "Pause a schedule: start no more runs until it is resumed", func(ctx context.Context, s *session, sched scheduledb.Schedule) error {
		err := a.auditedSchedule(ctx, s, "pause", sched.Name, func(ctx context.Context) error {
			_, err := scheduledb.Pause(ctx, s.DB, sched.ID, text.CleanLine(note))
			return err
		})
		if err != nil {
			return err
		}
		return a.printSchedule(ctx, s, sched.Name, fmt.Sprintf("%s is paused; runs that are due meanwhile are skipped", sched.Name))
	})
	cmd.Flags().StringVar(&note, "note", "", "`TEXT` that says why, for other people")
	return cmd
}
