package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// replaceFlags say whose place a source takes.
type replaceFlags struct {
	batch     int64
	yes       bool
	siteGiven bool
}

func (r *replaceFlags) register(a *app, cmd *cobra.Command) {
	cmd.Flags().Int64Var(&r.batch, "replace", 0, "take the place of what is left of this `BATCH`")
	completeFlag(cmd, "replace", a.completeBatchFlag(db.BatchActive, db.BatchPaused))
	cmd.Flags().BoolVarP(&r.yes, "yes", "y", false, "with --replace: don't ask")
}

func (r *replaceFlags) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	r.siteGiven = given("site")
	switch {
	case given("replace") && r.batch < 1:
		return usageError("--replace takes a batch's number; `relabel status` lists them")
	case r.yes && r.batch == 0:
		return usageError("--yes goes with --replace")
	}
	return nil
}

type replacing = report.Batch // so that its field Batch, the number, is not hidden

// replaced is what enqueue --replace prints with --json.
type replaced struct {
	replacing
	Replaces    int64               `json:"replaces"`
	Replacement records.Replacement `json:"replacement"`
}

// replace loads a source as a plan, shows how it differs from an open batch, and
// puts it in its place.
func (a *app) replace(ctx context.Context, s *session, src sourceFlags, r replaceFlags) error {
	plan, err := a.planReplacement(ctx, s, src, r)
	if err != nil {
		return err
	}
	if err := a.agreeToReplace(ctx, r, plan.Replacement); err != nil {
		a.use(s).DropReplacement(ctx, plan)
		return err
	}
	if err := a.use(s).Replace(ctx, actor(), plan, r.batch); err != nil {
		return err
	}
	if !a.json {
		fmt.Fprintln(a.Out, plan.BatchID)
		return nil
	}
	v, err := s.view(ctx, plan.BatchID)
	if err != nil {
		return err
	}
	return a.result.print(replaced{replacing: v, Replaces: r.batch, Replacement: plan.Replacement})
}

func (a *app) planReplacement(ctx context.Context, s *session, src sourceFlags, r replaceFlags) (usecase.Replacement, error) {
	site, err := a.use(s).Replaceable(ctx, r.batch)
	if err != nil {
		return usecase.Replacement{}, err
	}
	if r.siteGiven && site.Name != a.site {
		return usecase.Replacement{}, usageError("batch %d is of site %s, not of %s: omit --site", r.batch, site.Name, a.site)
	}
	if err := noStandIn(site.Name); err != nil {
		return usecase.Replacement{}, err
	}
	l, err := a.newLoading(ctx, s, site, src)
	if err != nil {
		return usecase.Replacement{}, err
	}
	plan, err := a.use(s).PlanReplacement(ctx, actor(), l.LoadParams, r.batch, src.snapshot, l.reading)
	l.end()
	return plan, err
}

func (a *app) agreeToReplace(ctx context.Context, r replaceFlags, diff records.Replacement) error {
	if !r.yes || !a.json {
		a.note("batch %d: %s", r.batch, replacementText(diff))
	}
	if r.yes {
		return nil
	}
	ok, err := a.confirm(ctx, fmt.Sprintf("Replace what is left of batch %d?", r.batch))
	if err == nil && !ok {
		err = exitErr{exitError, fmt.Sprintf("batch %d is unchanged", r.batch)}
	}
	return err
}

func replacementText(d records.Replacement) string {
	var parts []string
	for _, c := range []struct {
		n         int64
		one, many string
	}{
		{d.Kept, "stays", "stay"},
		{d.Replaced, "gets a new name", "get a new name"},
		{d.Added, "is added", "are added"},
		{d.Removed, "is removed", "are removed"},
		{d.Sent, "is already done", "are already done"},
		{d.Again, "has ended and is sent again with the new name", "have ended and are sent again with the new name"},
	} {
		if c.n == 0 {
			continue
		}
		if len(parts) == 0 {
			c.one, c.many = "row "+c.one, "rows "+c.many
		}
		parts = append(parts, text.Plural(c.n, c.one, c.many))
	}
	if d.InFlight > 0 {
		parts = append(parts, text.Plural(d.InFlight, "call is", "calls are")+" in flight and can't be recalled")
	}
	if len(parts) == 0 {
		return "nothing would change"
	}
	return strings.Join(parts, ", ")
}
