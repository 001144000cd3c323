package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
)

func (a *app) scheduleResumeCommand() *cobra.Command {
	return a.onSchedule("resume", "Resume a paused schedule, from its next time on", func(ctx context.Context, s *session, sched scheduledb.Schedule) error {
		next, err := schedule.Next(ctx, s.DB, sched)
		if err != nil {
			return err
		}
		err = a.auditedSchedule(ctx, s, "resume", sched.Name, func(ctx context.Context) error {
			_, err := scheduledb.Resume(ctx, s.DB, sched.ID, next)
			return err
		})
		if err != nil {
			return err
		}
		return a.printSchedule(ctx, s, sched.Name, fmt.Sprintf("%s is resumed", sched.Name))
	})
}
