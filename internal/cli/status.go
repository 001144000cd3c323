package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// listedBatches is how many batches `status` lists: a screen.
const listedBatches = 20

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [BATCH]",
		Short: "Counts, rate, 429s, estimated end",
		Long: `Without a BATCH lists the newest batches, of --site alone when it is given. With a BATCH
shows its rows by status, its calls, what it waits for and when it ends; --watch goes on until
the batch has ended (Ctrl-C ends the watching, not the batch). Without a BATCH --watch shows all
batches that run.`,
		Example:           "  relabel status\n  relabel status --watch\n  relabel status 7 --watch\n  relabel status 7 --json",
		Args:              batchArg(false),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			site := ""
			if cmd.Flags().Changed("site") {
				site = a.site
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				if len(args) == 0 && watch {
					return a.watchAll(ctx, s, site)
				}
				if len(args) == 0 {
					return a.statusList(ctx, s, site)
				}
				return a.status(ctx, s, args[0], watch)
			})
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on showing, until the batch ends")
	return cmd
}

// batchArg takes a batch number, or where it is not required none.
func batchArg(required bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && !required {
			return nil
		}
		if len(args) != 1 {
			return usageError("`%s` takes one batch number; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
		}
		_, err := batchNumber(args[0])
		return err
	}
}

func batchNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, usageError("%q is not a batch number; `relabel status` lists them", s)
	}
	return n, nil
}

func (a *app) withSession(ctx context.Context, fn func(context.Context, *session) error) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return fn(ctx, s)
}

func (a *app) status(ctx context.Context, s *session, arg string, watch bool) error {
	id, err := batchNumber(arg)
	if err != nil {
		return err
	}
	if watch {
		return a.watch(ctx, s, id)
	}
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(v)
	}
	printBatch(a.Out, v)
	return printTroubles(ctx, a.Out, s, v)
}

// watch follows to the batch's end; a signal ends the watching, not the batch.
func (a *app) watch(ctx context.Context, s *session, id int64) error {
	err := a.follow(ctx, s, id, func(report.Batch) bool { return false })
	if err != nil && ctx.Err() == nil {
		return err
	}
	_, err = a.summarise(context.WithoutCancel(ctx), s, id)
	return err
}

func printBatch(w io.Writer, v report.Batch) {
	fmt.Fprintln(w, headline(v))
	fmt.Fprintf(w, "  %s: %s\n", text.Plural(v.Total, "row", "rows"), v.Counts())
	fmt.Fprintf(w, "  %s, %s answered 429; now %s\n",
		text.Plural(v.Calls, "call", "calls"), text.Number(v.RateLimited), report.Rate(v.Lane))
	if v.Status == "planned" {
		fmt.Fprintf(w, "  a plan: `relabel apply %d` sends what is pending, `relabel batch cancel %d` drops it\n", v.Batch, v.Batch)
	}
	if t := v.Waiting(); t != "" && v.Left() > 0 {
		fmt.Fprintln(w, "  "+t)
	}
	if t := v.Ends(); t != "" {
		fmt.Fprintln(w, "  "+t)
	}
}

func (a *app) statusList(ctx context.Context, s *session, site string) error {
	if site != "" {
		if _, err := s.SiteByName(ctx, site); err != nil {
			return err
		}
	}
	views, err := report.Batches(ctx, s.DB, site, listedBatches)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(map[string]any{"batches": views})
	}
	if len(views) == 0 {
		fmt.Fprintln(a.Out, "no batches yet: relabel run FILE.csv makes the first")
		return nil
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "BATCH", Need: 1, Right: true},
		{Name: "STATUS", Need: 2},
		{Name: "DONE", Need: 3, Right: true},
		{Name: "FAILED", Need: 4, Right: true},
		{Name: "ENDS", Need: 5},
		{Name: "SITE", Need: 6},
		{Name: "NAME", Text: true},
	}}
	for _, v := range views {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(v.Batch, 10), v.StatusWord(), text.Number(v.Done()) + "/" + text.Number(v.Total),
			text.Number(v.Bad()), v.EndsWord(), v.Site, text.Line(v.Name),
		})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}
