package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/usecase"
)

func (a *app) applyCommand() *cobra.Command {
	var takeOver bool
	var notify notifyFlag
	cmd := &cobra.Command{
		Use:   "apply BATCH",
		Short: "Queue a planned batch",
		Long: `Queues a plan, to be sent exactly as it was stored. A plan that is older than 15 minutes is
compared with the site again first: rows that somebody changed since end as conflict, and so do
rows whose expected_name differs. --take-over sends those too.`,
		Example:           "  relabel apply 7\n  relabel apply 7 --take-over && relabel work --until-done",
		Args:              batchArg(true),
		ValidArgsFunction: a.completeBatch(db.BatchPlanned),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := batchNumber(args[0])
			if err != nil {
				return err
			}
			if err := notify.check(a); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.applyPlan(ctx, s, usecase.ApplyParams{BatchID: id, TakeOver: takeOver, Notify: notify.urls})
			})
		},
	}
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "send also what somebody changed since the plan")
	notify.register(cmd)
	return cmd
}

func (a *app) applyPlan(ctx context.Context, s *session, p usecase.ApplyParams) error {
	id := p.BatchID
	site, err := s.siteOf(ctx, id)
	if err != nil {
		return err
	}
	var done func()
	p.Reading, done = a.reading(ctx, s, site, step{label: fmt.Sprintf("queueing batch %d", id)})
	err = a.use(s).Apply(ctx, actor(), p)
	done()
	if err != nil {
		return err
	}
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(v)
	}
	printBatch(a.Out, v)
	if v.Left() > 0 {
		fmt.Fprintln(a.Out, "  next: relabel work --until-done"+report.SiteFlag(v.Site))
	}
	return nil
}
