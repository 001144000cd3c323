package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/report"
	"relabel/internal/text"
)

// replaceFlags say whose place a source takes.
type replaceFlags struct {
	batch     int64
	yes       bool
	siteGiven bool
}

func (r *replaceFlags) register(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&r.batch, "replace", 0, "take the place of what is left of this `BATCH`")
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

// replaced is what enqueue --replace prints with --json.
type replaced struct {
	report.Batch
	Replaces    int64          `json:"replaces"`
	Replacement db.Replacement `json:"replacement"`
}

// replace loads a source as a plan, shows how it differs from an open batch, and
// puts it in its place.
func (a *app) replace(ctx context.Context, s *session, src sourceFlags, r replaceFlags) error {
	site, err := a.siteOfReplaced(ctx, s, r)
	if err != nil {
		return err
	}
	id, diff, err := a.planReplacement(ctx, s, site, src, r.batch)
	if err != nil {
		return err
	}
	if err := a.agreeToReplace(ctx, r, diff); err != nil {
		return a.dropReplacement(ctx, s, id, err)
	}
	if err := a.accept(ctx, s, site, id, r.batch); err != nil {
		return planError(err)
	}
	if err := s.EndCancelled(ctx, site.ID); err != nil {
		return err
	}
	if !a.json {
		fmt.Fprintln(a.Out, id)
		return nil
	}
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	return a.result.print(replaced{Batch: v, Replaces: r.batch, Replacement: diff})
}

// siteOfReplaced is the old batch's site; it must have something left to
// replace.
func (a *app) siteOfReplaced(ctx context.Context, s *session, r replaceFlags) (db.Site, error) {
	old, err := s.BatchStatus(ctx, r.batch)
	if err != nil {
		return db.Site{}, err
	}
	switch {
	case r.siteGiven && old.Site != a.site:
		return db.Site{}, usageError("batch %d is of site %s, not of %s: leave out --site", r.batch, old.Site, a.site)
	case old.Status == "planned":
		return db.Site{}, fmt.Errorf("batch %d is a plan: `relabel batch cancel %d` drops it, and `relabel plan SOURCE` makes a new one", r.batch, r.batch)
	case old.Status != "active" && old.Status != "paused":
		return db.Site{}, fmt.Errorf("batch %d is %s, with nothing left to replace: enqueue the new rows without --replace", r.batch, old.Status)
	}
	if err := noStandIn(old.Site); err != nil {
		return db.Site{}, err
	}
	return s.SiteByName(ctx, old.Site)
}

// planReplacement stores the new rows and compares them with what relabel itself
// has sent; where the values before are wanted, or a name expected, with the site.
func (a *app) planReplacement(ctx context.Context, s *session, site db.Site, src sourceFlags, old int64) (int64, db.Replacement, error) {
	src.planned = true
	byRecord := !src.snapshot
	res, err := a.load(ctx, s, site, src, func(info intake.Info) {
		byRecord = byRecord && !slices.Contains(info.Columns, "expected_name")
	})
	if err != nil {
		return 0, db.Replacement{}, err
	}
	if byRecord {
		err = s.CompareWithRecord(ctx, res.BatchID)
	} else {
		err = a.compare(ctx, s, site, res.BatchID, false)
	}
	var diff db.Replacement
	if err == nil {
		diff, err = s.Replacement(ctx, res.BatchID, old)
	}
	if err != nil {
		return 0, diff, a.dropReplacement(ctx, s, res.BatchID, err)
	}
	return res.BatchID, diff, nil
}

func (a *app) dropReplacement(ctx context.Context, s *session, id int64, why error) error {
	if err := s.Discard(context.WithoutCancel(ctx), id); err != nil {
		a.log.Warn("the plan is left behind", "batch", id, "error", err)
	}
	return readError(why)
}

func (a *app) agreeToReplace(ctx context.Context, r replaceFlags, diff db.Replacement) error {
	if !r.yes || !a.json {
		a.note("batch %d: %s", r.batch, replacementText(diff))
	}
	if r.yes {
		return nil
	}
	ok, err := a.confirm(ctx, fmt.Sprintf("Replace what is left of batch %d?", r.batch))
	if err == nil && !ok {
		err = exitErr{exitError, fmt.Sprintf("batch %d goes on as it was", r.batch)}
	}
	return err
}

func replacementText(d db.Replacement) string {
	var parts []string
	for _, c := range []struct {
		n    int64
		text string
	}{
		{d.Kept, "kept"},
		{d.Replaced, "replaced by other values"},
		{d.Added, "added"},
		{d.Removed, "removed"},
		{d.Sent, "sent already and the same"},
		{d.Again, "sent already or ended, and sent again with the new value"},
	} {
		if c.n > 0 {
			parts = append(parts, text.Number(c.n)+" "+c.text)
		}
	}
	if d.InFlight > 0 {
		parts = append(parts, text.Plural(d.InFlight, "call is", "calls are")+" in flight and will end as they may")
	}
	if len(parts) == 0 {
		return "nothing would change"
	}
	return "of its rows and the new ones " + strings.Join(parts, ", ")
}
