package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

func (a *app) whyCommand() *cobra.Command {
	var locale string
	cmd := &cobra.Command{
		Use:   "why ASSET_ID",
		Short: "Everything that happened to one asset, in the order of time",
		Long: `Tells one asset's story: which file and line asked for what, what it waited for and how long,
each call with its answer, the value before, what superseded it, and what it waits for now; on
all sites unless --site is given.`,
		Example: "  relabel why 9f4a7f85b42ea4c6374f11ca",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("`%s` takes one asset's id", cmd.CommandPath())
			}
			_, err := assetID(args[0])
			return err
		},
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := assetID(args[0])
			if err != nil {
				return err
			}
			p := db.StoryParams{AssetID: id}
			if cmd.Flags().Changed("site") {
				p.Site = a.site
			}
			if cmd.Flags().Changed("locale") {
				if p.Locale, p.Tag, err = localeOf(locale); err != nil {
					return err
				}
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return usage(a.story(ctx, s, p)) })
		},
	}
	cmd.Flags().StringVar(&locale, "locale", "", "only this `LOCALE`: a tag such as fr-FR, an id, or "+primaryLocale)
	return cmd
}

func (a *app) rowsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "One row: every attempt, wait and error, and its River job",
		Example: "  relabel rows show 1234",
		Args:    renameNumber, ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("error reading the row's number: %w", err)
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.story(ctx, s, db.StoryParams{RenameID: id})
			})
		},
	}
}

func (a *app) story(ctx context.Context, s *session, p db.StoryParams) error {
	st, err := report.ReadStory(ctx, s.DB, p)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(st)
	}
	fmt.Fprintf(a.Out, "Asset %s on site %s\n", text.Line(st.AssetID), strings.Join(st.Sites, ", "))
	if p.RenameID != 0 {
		a.printRow(st.Rows[0])
	} else {
		a.printRows(st)
	}
	fmt.Fprintln(a.Out)
	for _, e := range st.Events {
		a.printEvent(e, p.RenameID == 0)
	}
	return nil
}

// printRow tells how one row stands.
func (a *app) printRow(j db.Row) {
	fmt.Fprintf(a.Out, "  row %d: line %d of batch %d %q, %s after %s\n", j.ID, j.Line, j.Batch, j.BatchName, j.Status,
		text.Plural(int64(j.Attempts), "call", "calls"))
	if j.FinishedAt == nil {
		state := "none that waits or runs: the feed gives it one when it is due"
		if j.JobState != nil {
			state = *j.JobState
		}
		fmt.Fprintf(a.Out, "  its River job: %s\n", state)
	}
}

// printRows counts an asset's rows, and tells how the last one stands.
func (a *app) printRows(st report.Story) {
	last := st.Rows[len(st.Rows)-1]
	fmt.Fprintf(a.Out, "  %s; the last loaded is %s: line %d of batch %d\n",
		text.Plural(int64(len(st.Rows)), "row", "rows"), last.Status, last.Line, last.Batch)
	if st.More {
		fmt.Fprintf(a.Out, "  older ones are left out: relabel rows list --asset %s\n", st.AssetID)
	}
}

// printEvent breaks a long line, and keeps the column of times free.
func (a *app) printEvent(e report.StoryEvent, named bool) {
	head := e.At.Local().Format("2006-01-02 15:04:05") + "  "
	if named {
		head += fmt.Sprintf("%-9s ", eventRow(e))
	}
	lines := []string{e.Text}
	if w := terminal.Width(a.stdout.Writer); w > len(head)+terminal.MinText {
		lines = terminal.WrapWords(e.Text, w-len(head))
	}
	for i, line := range lines {
		if i > 0 {
			head = strings.Repeat(" ", len(head))
		}
		fmt.Fprintln(a.Out, head+line)
	}
}

// eventRow is the batch and line, where an event is one row's.
func eventRow(e report.StoryEvent) string {
	if e.RenameID == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", e.Batch, e.Line)
}
