package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
)

func (a *app) workCommand() *cobra.Command {
	var f workFlags
	var serve serveFlags
	var metrics metricsFlag
	var untilDone bool
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Send what is queued, until stopped",
		Long: `Sends what is queued for a site and runs its schedules. It stops at a signal, or with --until-done
when nothing is left to send; schedules that are due by then run too. --site takes several sites
(a,b) or all; each needs its token. Without --until-done it follows sites that are added, changed or
removed meanwhile, and files that get another token. Any number of processes may work at the same
time, on any number of machines: together they keep the limit.

At the first SIGINT or SIGTERM it makes no new calls, waits for those in flight, and exits with 0.
At the second it stops at once; workers check what was in flight again within a minute.

Exit codes: 0 stopped or nothing left; 1 error, or a batch was paused because too many of its rows
failed for the same reason. With --until-done also 3: some rows did not succeed (cancelled rows
don't count), and 4: all that is left waits for a parked site (the API refused its token).`,
		Example: `  relabel work
  relabel work --until-done --site shop,blog
  relabel work --site all
  relabel work --serve 127.0.0.1:8080     # with the dashboard, see relabel serve --help`,
		Args:              noArgs("no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(f.check(), serve.checkForWork(), metrics.check()); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.withMetrics(ctx, s, metrics, func() error {
					return a.withDashboard(ctx, s, serve, func() error { return a.work(ctx, s, f, untilDone) })
				})
			})
		},
	}
	f.registerForWork(cmd, &untilDone)
	serve.registerForWork(cmd)
	metrics.register(cmd.Flags())
	return cmd
}

func (f *workFlags) registerForWork(cmd *cobra.Command, untilDone *bool) {
	f.register(cmd)
	cmd.Flags().BoolVar(untilDone, "until-done", false, "end when nothing is left to send")
	cmd.Flags().StringVar(&f.archive, "archive", "", "write what site set --keep deletes to compressed CSV files in `DIR` first")
	_ = cmd.MarkFlagDirname("archive") // the flag is there
}

func (a *app) work(ctx context.Context, s *session, f workFlags, untilDone bool) error {
	sites, err := a.namedSites(ctx, s, !untilDone)
	if err != nil {
		return err
	}
	since, err := s.Now(ctx)
	if err != nil {
		return err
	}
	working, err := a.startWork(ctx, s, sites, f)
	if err != nil {
		return err
	}
	defer a.startNotices(ctx, s.DB, working.schedules.Sites).Stop()
	w := newWorkWatch(s, sites, since, a.cfg.CallTimeout+flightMargin)
	a.note("working on %s; Ctrl-C stops", w.label())
	var turnErr error
	if !untilDone {
		working.unfollow = (&workSites{app: a, s: s, flags: f, working: working, watch: w}).follow(ctx, sites)
	} else { // runs that are due now are part of the work
		if _, turnErr = working.schedules.Turn(ctx); ctx.Err() != nil {
			turnErr = nil
		}
	}
	watchErr := a.watchWork(ctx, w, working.pool.Idle(), untilDone) // goes on with the other sites if one has trouble
	if err := cmp.Or(a.stopWork(working), watchErr, turnErr); err != nil {
		return err
	}
	return a.workEnd(context.WithoutCancel(ctx), w, ctx.Err() != nil)
}
