package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

func (a *app) planCommand() *cobra.Command {
	var src sourceFlags
	var detailed bool
	cmd := &cobra.Command{
		Use:   "plan SOURCE",
		Short: "Show what would change; write nothing to the API",
		Long: `Loads SOURCE as a planned batch, reads what the site holds (100 assets a call, or asset by
asset where that is cheaper), and shows what would change, what has its name already, which
assets the site does not have, how many calls it takes and when they would end. Nothing is
written to the API; relabel apply BATCH sends exactly what was shown.

` + sourceHelp,
		Example: `  relabel plan names.csv
  relabel plan --sql 'SELECT asset_id, display_name FROM wanted'
  relabel plan names.csv --json | jq .calls
  relabel plan names.csv --detailed-exitcode || echo "something to do, or an error"`,
		Args:              src.args,
		ValidArgsFunction: completeCSV,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := src.check(); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.plan(ctx, s, src, detailed)
			})
		},
	}
	src.register(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 5 if rows would change, with 0 if none would")
	return cmd
}

func (a *app) plan(ctx context.Context, s *session, src sourceFlags, detailed bool) error {
	if err := noStandIn(a.site); err != nil {
		return err
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	p, err := a.makePlan(ctx, s, site, src)
	if err != nil {
		return err
	}
	if err := a.showPlan(ctx, s, p); err != nil {
		return err
	}
	if detailed && p.Change > 0 {
		return exitErr{code: exitChanges}
	}
	return nil
}

// printLoaded is printPlan for a plan of a source, whose command has --names-in-locales.
func (a *app) printLoaded(ctx context.Context, s *session, p usecase.Summary) error {
	err := a.printPlan(ctx, s, p)
	if err == nil && p.Localized > 0 {
		fmt.Fprintln(a.Out, "  check: --names-in-locales drop leaves out names in a secondary locale; refuse lists their lines")
	}
	return err
}

// showPlan prints a plan and what to do next; with --json the plan as one object.
func (a *app) showPlan(ctx context.Context, s *session, p madePlan) error {
	if a.json {
		return a.result.print(p)
	}
	if err := a.printLoaded(ctx, s, p.Summary); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "  next: "+nextOfPlan(p.Summary))
	return nil
}

// madePlan is a plan with what its source looked like.
type madePlan struct {
	usecase.Summary
	Columns []string `json:"columns"`
}

// makePlan loads a source as a plan and compares it with the site.
func (a *app) makePlan(ctx context.Context, s *session, site db.Site, src sourceFlags) (madePlan, error) {
	l, err := a.newLoading(ctx, s, site, src)
	if err != nil {
		return madePlan{}, err
	}
	l.Opened = func(info intake.Info) {
		l.opened(info)
		a.note("columns read: %s", strings.Join(info.Columns, ", "))
	}
	sum, err := a.use(s).Plan(ctx, actor(), l.LoadParams, l.reading)
	l.end()
	return madePlan{Summary: sum, Columns: l.columns}, err
}

func nextOfPlan(p usecase.Summary) string {
	switch {
	case p.Status == db.BatchActive:
		return "relabel work --until-done" + report.SiteFlag(p.Site)
	case p.Change > 0:
		return fmt.Sprintf("relabel apply %d, then relabel work --until-done%s", p.Batch, report.SiteFlag(p.Site))
	case p.Unknown+p.Conflict+p.Invalid > 0:
		return fmt.Sprintf("relabel results %d --status failed,conflict,invalid", p.Batch)
	}
	return "nothing: the site is as the source wants it"
}

func (a *app) printPlan(ctx context.Context, s *session, p usecase.Summary) error {
	w := a.Out
	fmt.Fprintf(w, "Plan %d %q for site %s: %s would change\n", p.Batch, p.Name, p.Site, text.Plural(p.Change, "row", "rows"))
	fmt.Fprintf(w, "  %s: %s\n", text.Plural(p.Rows, "row", "rows"), planCounts(p))
	fmt.Fprintf(w, "  read %s\n", readWay(text.Deref(p.ReadBy), p.Reads))
	printChanges(w, p.Changes, p.Change)
	v, err := s.view(ctx, p.Batch)
	if err != nil {
		return err
	}
	if p.Change > 0 {
		calls := text.Plural(p.Calls, "call", "calls")
		if p.EndsAt != nil {
			calls += fmt.Sprintf("; if applied now, finished at about %s, at %s calls in %s", text.Clock(*p.EndsAt, v.Now),
				text.Number(int64(v.Lane.Limit)), text.Span(v.Lane.Window))
		}
		fmt.Fprintln(w, "  "+calls)
	}
	for _, warning := range planWarnings(p) {
		fmt.Fprintln(w, "  check: "+warning)
	}
	return printTroubles(ctx, w, s, v)
}

func planCounts(p usecase.Summary) string {
	var parts []string
	for _, c := range []struct {
		n    int64
		name string
	}{
		{p.Change, "to change"},
		{p.Unchanged, "unchanged"},
		{p.Unknown, "of unknown assets"},
		{p.Conflict, "in conflict"},
		{p.Invalid, "invalid"},
		{p.Superseded, "superseded by a later row"},
	} {
		if c.n > 0 {
			parts = append(parts, text.Number(c.n)+" "+c.name)
		}
	}
	return strings.Join(parts, ", ")
}

func readWay(by string, reads int64) string {
	calls := text.Plural(reads, "call", "calls")
	switch by {
	case "list":
		return fmt.Sprintf("the site's assets by the page: %s", calls)
	case "get":
		return fmt.Sprintf("each asset by itself, which is cheaper here than all pages of the site: %s", calls)
	case "both":
		return fmt.Sprintf("pages of the site and some assets by themselves, as that was cheapest: %s", calls)
	}
	return "relabel's own record of what it sent; the site was not read"
}

// maxShownName cuts a name so that old and new fit a line.
const maxShownName = 40

func printChanges(w io.Writer, changes []records.Change, all int64) {
	for _, c := range changes {
		fmt.Fprintf(w, "    line %d, %s: %s\n", c.Line, target(c.AssetID, c.LocaleID), changeText(c))
	}
	if more := all - int64(len(changes)); more > 0 && len(changes) > 0 {
		fmt.Fprintf(w, "    and %s\n", text.Plural(more, "more row", "more rows"))
	}
}

// target is how a line calls an asset, in a locale.
func target(assetID, localeID string) string {
	if localeID == "" {
		return assetID
	}
	return assetID + " in " + localeID
}

func changeText(c records.Change) string {
	var parts []string
	if c.DisplayName != nil && text.Deref(c.DisplayName) != text.Deref(c.BeforeName) {
		parts = append(parts, oldNew(c.BeforeName, c.DisplayName))
	}
	if c.AltText != nil && text.Deref(c.AltText) != text.Deref(c.BeforeAlt) {
		parts = append(parts, "alt text "+oldNewAlt(c.BeforeAlt, *c.AltText))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("%q again", text.Cut(text.Deref(c.DisplayName), maxShownName))
	}
	return strings.Join(parts, ", ")
}

func oldNew(before, after *string) string {
	if before == nil {
		return fmt.Sprintf("%q", text.Cut(*after, maxShownName))
	}
	return fmt.Sprintf("%q → %q", text.Cut(*before, maxShownName), text.Cut(*after, maxShownName))
}

// oldNewAlt shows an alt text that would be emptied as such: two quotes are easily missed.
func oldNewAlt(before *string, after string) string {
	switch {
	case after != "":
		return oldNew(before, &after)
	case before == nil:
		return "(emptied)"
	}
	return fmt.Sprintf("%q → (emptied)", text.Cut(*before, maxShownName))
}

func planWarnings(p usecase.Summary) (out []string) {
	if p.Conflict > 0 {
		out = append(out, fmt.Sprintf("%s would be left alone; `relabel apply %d --take-over` sends them too",
			text.Plural(p.Conflict, "row in conflict", "rows in conflict"), p.Batch))
	}
	return append(out, p.Warnings()...)
}
