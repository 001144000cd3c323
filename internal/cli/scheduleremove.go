package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/internal/schedule/scheduledb"
)

func (a *app) scheduleRemoveCommand() *cobra.Command {
	cmd := a.onSchedule("remove", "Remove a schedule and its history", func(ctx context.Context, s *session, sched scheduledb.Schedule) error {
		err := a.auditedSchedule(ctx, s, "remove", sched.Name, func(ctx context.Context) error { return scheduledb.Remove(ctx, s.DB, sched.ID) })
		if err != nil {
			return err
		}
		if a.json {
			return a.result.print(removedJSON{sched.Name})
		}
		a.note("%s is removed", sched.Name)
		return nil
	})
	cmd.Long = `Removes a schedule and the history of its runs. The batches of its runs stay, and rows that are
queued are still sent (relabel batch cancel ends that). Plans that wait for relabel apply are
discarded.`
	return cmd
}
