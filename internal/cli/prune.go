package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/retention"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// pruneFlags are the flags of `prune` and `batch delete`.
type pruneFlags struct {
	olderThan, archive string
	dryRun, yes        bool
	allSites           bool

	age time.Duration
}

func (f *pruneFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.archive, "archive", "", "write what goes to compressed CSV files in `DIR` before it is deleted")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only count what would go")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "don't ask")
	_ = cmd.MarkFlagDirname("archive") // the flag is there
}

func (a *app) pruneCommand() *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune --older-than AGE",
		Short: "Delete what ended long ago",
		Long: `Deletes attempts, rows, batches, events, runs of schedules and their notices, readings of assets that
left the site, and the audit log, if they ended longer ago than --older-than. Without --site it
does so for all sites; with --site for that one, and keeps the audit log, which belongs to all.

The newest rows of each asset and locale stay, however old, and so do batches with such rows: loads,
undo and retry need them. Nothing goes of assets that an open batch or plan has rows of. It counts
first and asks. Without a terminal, --yes is required. relabel site set --keep does the same all the time.`,
		Example: `  relabel prune --older-than 90d --dry-run
  relabel prune --older-than 400d --archive /var/backups/relabel --yes`,
		Args:              noArgs("no arguments, but options"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, ok := duration(f.olderThan)
			if !ok || age <= 0 {
				return usageError("--older-than takes an age such as 90d or 12h, not %q", f.olderThan)
			}
			f.age, f.allSites = age, !cmd.Flags().Changed("site")
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.prune(ctx, s, f) })
		},
	}
	cmd.Flags().StringVar(&f.olderThan, "older-than", "", "what ended longer ago than `AGE` goes: 90d, 12h (required)")
	f.register(cmd)
	return cmd
}

func (a *app) batchDeleteCommand() *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "delete BATCH",
		Short: "Delete the rows of a batch that has ended, and the batch",
		Long: `Deletes a batch that has ended, with its rows and attempts. Rows that are the newest of their asset and
locale stay, and with them the batch: loads, undo and retry need them. So do rows of assets that an
open batch or plan has. It counts first and asks. Without a terminal, --yes is required.`,
		Example:           "  relabel batch delete 7 --archive backup",
		Args:              batchArg(true),
		ValidArgsFunction: a.completeBatch(db.BatchDone, db.BatchCancelled),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := batchNumber(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.deleteBatch(ctx, s, id, f) })
		},
	}
	f.register(cmd)
	return cmd
}

// prunedJSON is what `prune` and `batch delete` print with --json.
type prunedJSON struct {
	DryRun  bool              `json:"dry_run"`
	Before  time.Time         `json:"before"` // what ended before goes
	Rows    int64             `json:"rows"`   // of all tables
	Tables  []retention.Count `json:"tables"`
	Archive []string          `json:"archive"` // the files
}

func (a *app) prune(ctx context.Context, s *session, f pruneFlags) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	sites, subject, err := a.prunedSites(ctx, s, f)
	if err != nil {
		return err
	}
	all := make([]retention.Params, len(sites))
	for i, site := range sites {
		all[i] = retention.Params{DB: s.DB, SiteID: site.ID, Before: now.Add(-f.age), Shared: f.allSites && i == len(sites)-1}
	}
	_, err = a.pruneAsked(ctx, s, records.AuditEntry{Action: "prune", Subject: subject, Detail: "older than " + f.olderThan}, all, f)
	return err
}

// prunedSites returns the sites to prune, and what the audit log calls them.
func (a *app) prunedSites(ctx context.Context, s *session, f pruneFlags) (sites []db.Site, subject string, err error) {
	if f.allSites {
		sites, err = s.Sites(ctx)
		return sites, "all sites", err
	}
	site, err := s.SiteByName(ctx, a.site)
	return []db.Site{site}, "site " + a.site, err
}

func (a *app) deleteBatch(ctx context.Context, s *session, id int64, f pruneFlags) error {
	b, err := records.Batch(ctx, s.DB, id)
	if err != nil {
		return err
	}
	if b.FinishedAt == nil {
		return exitErr{exitError, fmt.Sprintf("batch %d is %s and can't be deleted: `relabel batch cancel %d` ends it", id, b.Status, id)}
	}
	site, err := s.SiteByName(ctx, b.Site)
	if err != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	p := retention.Params{DB: s.DB, SiteID: site.ID, Before: now, Batch: id}
	done, err := a.pruneAsked(ctx, s, records.AuditEntry{Action: "delete", Subject: records.BatchSubject(id)}, []retention.Params{p}, f)
	if err != nil || !done {
		return err
	}
	return a.noteStays(ctx, s, id)
}

// noteStays says why a batch is still there.
func (a *app) noteStays(ctx context.Context, s *session, id int64) error {
	b, err := records.Batch(ctx, s.DB, id)
	if _, gone := errors.AsType[db.NoBatchError](err); gone {
		return nil
	}
	switch {
	case err != nil:
		return err
	case b.Total == 0:
		a.note("batch %d stays without rows: another batch or a run of a schedule refers to it", id)
	default:
		a.note("batch %d stays with %s: the newest of an asset, or of assets that an open batch or plan has", id, text.Plural(b.Total, "row", "rows"))
	}
	return nil
}

// pruneAsked counts what goes, asks, and deletes it. It reports whether it did.
func (a *app) pruneAsked(ctx context.Context, s *session, e records.AuditEntry, all []retention.Params, f pruneFlags) (done bool, err error) {
	out := prunedJSON{DryRun: true, Before: all[0].Before, Archive: []string{}}
	if f.dryRun || !f.yes {
		err := a.during(ctx, "counting what goes", func() (err error) {
			out.Tables, err = pruneAll(ctx, all, true, nil)
			return err
		})
		if err != nil || f.dryRun {
			return false, a.printPruned(out, err)
		}
		if ok, err := a.confirm(ctx, "This goes: "+retention.Text(out.Tables)+". Delete it?"); err != nil || !ok {
			return false, err
		}
	}
	out.DryRun = false
	err = a.audited(ctx, s, e, func(ctx context.Context) (rows int64, err error) {
		err = a.during(ctx, "deleting", func() error {
			out.Tables, out.Archive, err = archived(ctx, all, f.archive)
			return err
		})
		return retention.Total(out.Tables), err
	})
	return true, a.printPruned(out, err)
}

// archived prunes with an archive in a folder, or without one.
func archived(ctx context.Context, all []retention.Params, dir string) (counts []retention.Count, files []string, err error) {
	var archive *retention.Archive
	if dir != "" {
		if archive, err = retention.NewArchive(dir, time.Now()); err != nil {
			return nil, []string{}, err
		}
	}
	counts, err = pruneAll(ctx, all, false, archive)
	files, closeErr := archive.Close()
	if err == nil {
		err = closeErr
	}
	return counts, append([]string{}, files...), err
}

func pruneAll(ctx context.Context, all []retention.Params, dryRun bool, archive *retention.Archive) (counts []retention.Count, err error) {
	for _, p := range all {
		p.DryRun, p.Archive = dryRun, archive
		got, err := retention.Prune(ctx, p)
		if counts = retention.Add(counts, got); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func (a *app) printPruned(out prunedJSON, err error) error {
	out.Rows = retention.Total(out.Tables)
	if err != nil {
		return a.partly(err, out.Rows)
	}
	if a.json {
		return a.result.print(out)
	}
	t := terminal.Table{Columns: []terminal.Column{{Name: "TABLE", Need: 1}, {Name: "ROWS", Need: 2, Right: true}}}
	for _, c := range out.Tables {
		t.Rows = append(t.Rows, []string{c.Table, text.Number(c.Rows)})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	switch {
	case out.DryRun:
		a.note("nothing is deleted: --dry-run")
	case len(out.Archive) > 0:
		a.note("archived in %s", strings.Join(out.Archive, ", "))
	}
	return nil
}
