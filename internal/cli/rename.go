package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/rule"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

type renameParams struct {
	rule     ruleFlags
	name     string
	priority int
	fresh    bool
}

func (a *app) renameCommand() *cobra.Command {
	var p renameParams
	cmd := &cobra.Command{
		Use:   "rename",
		Short: "Plan new names by a rule, without any file",
		Long: `Reads the site (100 assets a call), chooses assets, works out their new names, and shows them as
a plan. Nothing is written to the API; relabel apply BATCH sends exactly what was shown.

--match, --exclude, --regex, --folder, --type, --missing-alt, --larger-than and --created-after
choose assets; all that are given must hold. Without any, all assets are chosen.

--find and --replace change the name without its extension; given again, they work on the result.
--template makes a whole name of fields in braces: {stem} (the name without its extension, after
--find), {ext}, {n}, {folder}, {original}, {date}, {id}, {size}. {n:03} has three digits,
{date:YYYY-MM} the year and the month of the upload. Filters change a field: {stem|slug}, and
lower, upper, title, trim, ascii, words. An extension is never lost or changed unless
--change-extension is given. docs/rules.md describes all of it.

--save keeps the rule; relabel rename --rule NAME uses it again, and relabel schedule add --rule
NAME gives new uploads their names every night.`,
		Example: `  relabel rename --match 'IMG_*' --folder Team --template 'team-{n:03}{ext}'
  relabel rename --find '^Copy of ' --replace '' --find ' +' --replace '-'
  relabel rename --missing-alt --type 'image/*' --alt-template 'Photo: {stem|words}'
  relabel rename --match '*[ _]*' --template '{stem|slug}{ext|lower}' --save tidy`,
		Args:              noArgs("no arguments; --match chooses assets"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.rename(ctx, s, p) })
		},
	}
	p.rule.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&p.name, "name", "", "`NAME` of the batch (default: rename, or that of the rule)")
	fs.IntVar(&p.priority, "priority", usecase.DefaultPriority, "`N`: 1 (first) to 4 (last)")
	fs.BoolVar(&p.fresh, "fresh", false, "read the site now, even if it was read in the last 15 minutes")
	completeFlag(cmd, "rule", a.completeRule())
	return cmd
}

func (p *renameParams) check(cmd *cobra.Command) error {
	if p.priority < 1 || p.priority > 4 {
		return usageError("--priority is 1 (first) to 4 (last), not %d", p.priority)
	}
	return p.rule.check(cmd)
}

func (a *app) rename(ctx context.Context, s *session, p renameParams) error {
	if err := noStandIn(a.site); err != nil {
		return err
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	r, err := p.rule.read(ctx, a.use(s), site)
	if err != nil {
		return err
	}
	if err := p.rule.maySave(ctx, s, site); err != nil {
		return err
	}
	l := a.newRenaming(ctx, s, site, p)
	renamed, err := a.use(s).Rename(ctx, actor(), usecase.RuleParams{
		Site: site, Rule: r, Name: p.rule.name(), Now: p.fresh, Reading: l.reading,
	}, l.LoadParams)
	l.end()
	if err != nil {
		return err
	}
	if renamed.Reading.Calls == 0 {
		a.note("the site was read a moment ago, at %s; --fresh reads it again", text.Clock(renamed.Reading.Since, time.Now()))
	}
	if p.rule.save != "" {
		if err := a.saveRule(ctx, s, site, r, p.rule); err != nil {
			return err
		}
	}
	if a.json {
		return a.result.print(newRenamedJSON(site, p, renamed))
	}
	return a.printRenamed(ctx, s, renamed)
}

// newRenaming is newLoading for the rows of a rule.
func (a *app) newRenaming(ctx context.Context, s *session, site db.Site, p renameParams) *loading {
	l := &loading{app: a, wait: a.newWait(ctx), problems: problemList{app: a, prefix: prefixError}}
	work := step{label: "working out the rule"}
	l.wait.to(work)
	l.reading = siteread.Params{Progress: s.readSteps(l.wait, site.Name, work), Notice: a.notice}
	l.LoadParams = usecase.LoadParams{
		Name: p.batchName(), Priority: p.priority, Problem: l.problems.add, Warning: l.warning, Notice: a.notice,
	}
	return l
}

func (p renameParams) batchName() string {
	switch {
	case p.name != "":
		return p.name
	case p.rule.name() != "":
		return "rule " + p.rule.name()
	}
	return "rename"
}

// printRenamed prints the plan, what the rule chose, and what to do next.
func (a *app) printRenamed(ctx context.Context, s *session, r usecase.Renamed) error {
	if r.Plan == nil {
		fmt.Fprintln(a.Out, r.Nothing())
		printRuleChecks(a.Out, r.Ruled)
		return nil
	}
	if err := a.printPlan(ctx, s, *r.Plan); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "  the rule: "+r.Chosen())
	printRuleChecks(a.Out, r.Ruled)
	fmt.Fprintln(a.Out, "  next: "+nextOfPlan(*r.Plan))
	return nil
}

// shownCollisions is how many names and assets are listed.
const shownCollisions = 10

func printRuleChecks(w io.Writer, r *usecase.Ruled) {
	for i, warning := range usecase.RuleWarnings(r.Result) {
		if i == 0 && len(r.Collisions) > 0 {
			warning += "; " + collisionAdvice(r.Rule)
		}
		fmt.Fprintln(w, "  check: "+warning)
	}
	for _, c := range r.Collisions[:min(len(r.Collisions), shownCollisions)] {
		fmt.Fprintf(w, "    %q: %s\n", text.Cut(c.Name, maxShownName), collisionText(c))
	}
	if more := int64(len(r.Collisions) - shownCollisions); more > 0 {
		fmt.Fprintf(w, "    and %s\n", text.Plural(more, "more name", "more names"))
	}
}

func collisionAdvice(r rule.Rule) string {
	if strings.Contains(r.Template, "{n") && !r.SkipTaken {
		return "--skip-taken leaves out numbers that are taken"
	}
	return "{n} or {id} in the template makes names differ"
}

func collisionText(c rule.Collision) string {
	if c.Exists {
		return fmt.Sprintf("%s; %s has this name already", text.Plural(c.Assets, "asset", "assets"), c.Such)
	}
	return fmt.Sprintf("%s, such as %s", text.Plural(c.Assets, "asset", "assets"), c.Such)
}

// renamedJSON is a plan that a rule made. Without anything to rename its batch is 0.
type renamedJSON struct {
	usecase.Summary
	Rule ruleFactsJSON `json:"rule"`
}

// ruleFactsJSON is what a rule chose. Its lists are the first ones.
type ruleFactsJSON struct {
	Name       *string          `json:"name"` // null: it is not saved
	Flags      string           `json:"flags"`
	Assets     int64            `json:"assets"`
	Matched    int64            `json:"matched"`
	Unchanged  int64            `json:"unchanged"`
	LeftOut    int64            `json:"left_out"`
	Collisions int64            `json:"collisions"`
	Left       []rule.LeftOut   `json:"left_out_assets"`
	Colliding  []rule.Collision `json:"colliding_names"`
}

func newRenamedJSON(site db.Site, p renameParams, r usecase.Renamed) renamedJSON {
	out := renamedJSON{Summary: usecase.Summary{Name: p.batchName(), Site: site.Name, Source: r.Source(), Changes: []records.Change{}}}
	if r.Plan != nil {
		out.Summary = *r.Plan
	}
	out.Rule = ruleFactsJSON{
		Name: text.NilIfEmpty(p.rule.name()), Flags: r.Rule.Flags(), Assets: r.Assets, Matched: r.Matched, Unchanged: r.Unchanged,
		LeftOut: int64(len(r.LeftOut)), Collisions: int64(len(r.Collisions)),
		Left:      append([]rule.LeftOut{}, r.LeftOut[:min(len(r.LeftOut), shownCollisions)]...),
		Colliding: append([]rule.Collision{}, r.Collisions[:min(len(r.Collisions), shownCollisions)]...),
	}
	return out
}

// saveRule keeps the rule after its plan was shown.
func (a *app) saveRule(ctx context.Context, s *session, site db.Site, r rule.Rule, f ruleFlags) error {
	if err := a.use(s).SaveRule(ctx, actor(), site, f.save, r, f.overwrite); err != nil {
		return err
	}
	a.note("rule %s is saved; `relabel rename --rule %s%s` uses it again", f.save, f.save, report.SiteFlag(site.Name))
	return nil
}
