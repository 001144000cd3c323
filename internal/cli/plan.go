package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/load"
	"relabel/internal/plan"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/webflow"
	"relabel/jobs"
)

func (a *app) planCommand() *cobra.Command {
	var src sourceFlags
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
  relabel plan names.csv --json | jq .calls`,
		Args:              src.args,
		ValidArgsFunction: completeCSV,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := src.check(); err != nil {
				return err
			}
			src.planned = true
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.plan(ctx, s, src)
			})
		},
	}
	src.register(cmd)
	return cmd
}

func (a *app) plan(ctx context.Context, s *session, src sourceFlags) error {
	site, err := a.namedSite(ctx, s, a.site)
	if err != nil {
		return err
	}
	p, err := a.makePlan(ctx, s, site.Site, src)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(p)
	}
	if err := a.printPlan(ctx, s, p.Summary); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "  next: "+nextOfPlan(p.Summary))
	return nil
}

// madePlan is a plan with what its source looked like.
type madePlan struct {
	plan.Summary
	Columns []string `json:"columns"`
}

// makePlan loads a source as a plan and compares it with the site. A plan whose
// comparison fails is of no use, and is cancelled.
func (a *app) makePlan(ctx context.Context, s *session, site db.Site, src sourceFlags) (madePlan, error) {
	out := madePlan{Columns: []string{}}
	res, err := a.load(ctx, s, site, src, func(info intake.Info) {
		out.Columns = info.Columns
		a.note("columns read: %s", strings.Join(info.Columns, ", "))
	})
	if err != nil {
		return out, err
	}
	if err := a.compare(ctx, s, site, res.BatchID, false); err != nil {
		return out, a.dropPlan(ctx, s, res.BatchID, err)
	}
	out.Summary, err = plan.Summarise(ctx, s.DB, res.BatchID)
	return out, err
}

// dropPlan cancels a plan that could not be made, and says why.
func (a *app) dropPlan(ctx context.Context, s *session, id int64, why error) error {
	if err := s.Discard(context.WithoutCancel(ctx), id); err != nil {
		a.log.Warn("the plan is left behind", "batch", id, "error", err)
	}
	if errors.Is(why, context.Canceled) {
		return exitErr{exitError, "interrupted: there is no plan"}
	}
	return readError(fmt.Errorf("there is no plan: %w", why))
}

// readError says of a token that the API refuses what to do.
func readError(err error) error {
	if e, ok := errors.AsType[*webflow.Error](err); ok && e.Kind == webflow.KindUnauthorized {
		return exitErr{exitParked, fmt.Sprintf("%s: the API refuses the token (401); `relabel site check` tries it", err)}
	}
	return err
}

// compare reads what the site holds and compares a planned batch with it.
func (a *app) compare(ctx context.Context, s *session, site db.Site, id int64, takeOver bool) error {
	return a.look(ctx, s, site, func(p *plan.Planner) error { return p.Compare(ctx, id, takeOver) })
}

// look reads the site, and shows how far that is.
func (a *app) look(ctx context.Context, s *session, site db.Site, fn func(*plan.Planner) error) error {
	reader, err := a.reader(ctx, s.DB, site)
	if err != nil {
		return err
	}
	defer reader.Close()
	progress := a.newReadProgress()
	defer progress.Close()
	return fn(&plan.Planner{
		DB: s.DB, Reader: reader, Progress: progress.show,
		Notice: func(text string) { a.note("%s", text) },
	})
}

func nextOfPlan(p plan.Summary) string {
	switch {
	case p.Status == "active":
		return "relabel work --until-done" + report.SiteFlag(p.Site)
	case p.Change > 0:
		return fmt.Sprintf("relabel apply %d, then relabel work --until-done%s", p.Batch, report.SiteFlag(p.Site))
	case p.Unknown+p.Conflict+p.Invalid > 0:
		return fmt.Sprintf("relabel results %d --status failed,conflict,invalid", p.Batch)
	}
	return "nothing: the site is as the source wants it"
}

func (a *app) printPlan(ctx context.Context, s *session, p plan.Summary) error {
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
			calls += fmt.Sprintf(": applied now they end %s (in %s), at %s calls in %s", text.Clock(*p.EndsAt, v.Now),
				text.Span(p.EndsAt.Sub(v.Now)), text.Number(int64(v.Lane.Limit)), text.Span(v.Lane.Window))
		}
		fmt.Fprintln(w, "  "+calls)
	}
	for _, warning := range planWarnings(p) {
		fmt.Fprintln(w, "  look: "+warning)
	}
	return printTroubles(ctx, w, s, v)
}

func planCounts(p plan.Summary) string {
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
		{p.Superseded, "named again by a later row"},
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
	return "relabel's own record of what it sent; the site was not asked"
}

// maxShownName cuts a name so that old and new fit a line.
const maxShownName = 40

func printChanges(w io.Writer, changes []db.Change, all int64) {
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

func changeText(c db.Change) string {
	var parts []string
	if c.DisplayName != nil && text.Deref(c.DisplayName) != text.Deref(c.BeforeName) {
		parts = append(parts, oldNew(c.BeforeName, c.DisplayName))
	}
	if c.AltText != nil && text.Deref(c.AltText) != text.Deref(c.BeforeAlt) {
		parts = append(parts, "alt text "+oldNew(c.BeforeAlt, c.AltText))
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

func planWarnings(p plan.Summary) []string {
	var out []string
	if p.Conflict > 0 {
		out = append(out, fmt.Sprintf("%s would be left alone; `relabel apply %d --take-over` sends all the same",
			text.Plural(p.Conflict, "row in conflict", "rows in conflict"), p.Batch))
	}
	if p.LosesExtension > 0 {
		out = append(out, text.Plural(p.LosesExtension, "name loses its extension", "names lose their extension"))
	}
	if p.Localized > 0 {
		out = append(out, text.Plural(p.Localized, "row names an asset", "rows name assets")+
			" in a secondary locale; Webflow may keep one display name for all locales")
	}
	if p.LocaleConflicts > 0 {
		out = append(out, text.Plural(p.LocaleConflicts, "asset gets", "assets get")+
			" different names in different locales; if Webflow keeps one for all, the last call wins")
	}
	return out
}

func (a *app) applyCommand() *cobra.Command {
	var takeOver bool
	cmd := &cobra.Command{
		Use:   "apply BATCH",
		Short: "Queue a planned batch",
		Long: `Queues a plan, to be sent exactly as it was stored. A plan that is older than 15 minutes is
compared with the site again first: rows that somebody changed since end as conflict, and so do
rows whose expected_name differs. --take-over sends those too.`,
		Example:           "  relabel apply 7\n  relabel apply 7 --take-over && relabel work --until-done",
		Args:              batchArg(true),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := batchNumber(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.applyPlan(ctx, s, id, takeOver)
			})
		},
	}
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "send also what somebody changed since the plan")
	return cmd
}

func (a *app) applyPlan(ctx context.Context, s *session, id int64, takeOver bool) error {
	st, err := s.PlanState(ctx, id)
	if err != nil {
		return planError(err)
	}
	if st.Stale(plan.MaxAge) || takeOver {
		if !takeOver {
			a.note("the plan is older than %s: reading the site again", text.Span(plan.MaxAge))
		}
		if err := a.compare(ctx, s, st.Site, id, takeOver); err != nil {
			return readError(fmt.Errorf("nothing was applied: %w", err))
		}
	}
	if err := a.accept(ctx, s, st.Site, id, 0); err != nil {
		return planError(err)
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

func planError(err error) error {
	if errors.Is(err, db.ErrNotPlanned) {
		return fmt.Errorf("%w; `relabel plan SOURCE` makes a plan", err)
	}
	return err
}

// accept queues a plan.
func (a *app) accept(ctx context.Context, s *session, site db.Site, id, replaces int64) error {
	client, err := jobs.NewInsertClient(s.DB, a.log)
	if err != nil {
		return err
	}
	d := db.AuditEntry{Action: "apply", Subject: db.BatchSubject(id)}
	if replaces != 0 {
		d.Detail = "in place of " + db.BatchSubject(replaces)
	}
	return a.audited(ctx, s, d, func(ctx context.Context) (int64, error) {
		b, err := s.BatchStatus(ctx, id)
		if err != nil {
			return -1, err
		}
		return b.Pending, plan.Accept(ctx, plan.AcceptParams{DB: s.DB, Client: client, Site: site, BatchID: id, Replaces: replaces})
	})
}

// loadQueued loads a source and queues it. Where the state before is wanted, or
// the source says which names it expects, the site is read first.
func (a *app) loadQueued(ctx context.Context, s *session, site db.Site, src sourceFlags) (int64, error) {
	src.planned = src.snapshot
	res, err := a.load(ctx, s, site, src, func(intake.Info) {})
	if err != nil || !res.Planned {
		return res.BatchID, err
	}
	return res.BatchID, a.snapshot(ctx, s, site, res, src.snapshot)
}

func (a *app) snapshot(ctx context.Context, s *session, site db.Site, res load.Result, asked bool) error {
	if !asked {
		a.note("the column expected_name is heeded: reading the site first")
	}
	if err := a.compare(ctx, s, site, res.BatchID, false); err != nil {
		return a.dropPlan(ctx, s, res.BatchID, err)
	}
	return a.accept(ctx, s, site, res.BatchID, 0)
}

// loadToRun loads a source and queues it; with --plan it shows first what would
// change, and asks.
func (a *app) loadToRun(ctx context.Context, s *session, site db.Site, p runParams) (int64, error) {
	if !p.plan {
		return a.loadQueued(ctx, s, site, p.src)
	}
	p.src.planned = true
	made, err := a.makePlan(ctx, s, site, p.src)
	if err != nil {
		return 0, err
	}
	if !a.json {
		if err := a.printPlan(ctx, s, made.Summary); err != nil {
			return 0, err
		}
	}
	if err := a.agree(ctx, made.Summary, p.yes); err != nil {
		return 0, err
	}
	return made.Batch, a.accept(ctx, s, site, made.Batch, 0)
}
