package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/failpoint"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
	"relabel/jobs"
)

const (
	// priority of a run's batch: below that of batches loaded by hand.
	priority = 3

	// shownProblems is how many problems of a source a failed run's reason lists.
	shownProblems = 3

	// maxPause is the oldest interrupted reading that a run continues. Beyond it, the
	// run reads the site from the beginning.
	maxPause = 12 * time.Hour
)

// run is one run in progress. Its row records the steps that are done; a step that
// is repeated after a crash has the same result.
type run struct {
	*Runner
	scheduledb.RunWork

	schedule scheduledb.Schedule
	site     jobs.SiteConfig
}

// steps does the remaining steps of a run: load, compare, then hold back or apply.
// A turn ends the run when its batch has ended.
func (n *run) steps(ctx context.Context) error {
	if n.BatchID == nil {
		if err := n.load(ctx); err != nil {
			return n.endUnchanged(ctx, err)
		}
		failpoint.Hit("run-loaded")
	}
	outdated, err := n.outdated(ctx)
	if err != nil {
		return err
	}
	if n.ComparedAt == nil || outdated {
		held, err := n.compare(ctx)
		if err != nil || held {
			return err
		}
		failpoint.Hit("run-recorded")
	}
	return n.apply(ctx)
}

// load makes a planned batch of the source, and records it with the run in the
// same transaction.
func (n *run) load(ctx context.Context) error {
	src, done, err := n.cfg.openFor(ctx, n.use(), n.site.Site, n.schedule, true)
	if err != nil {
		return err
	}
	defer done()
	p := newLoading(n.schedule, n.site.Site, src, n.batchName())
	p.notes = append(p.notes, ruleNotes(src)...)
	return p.load(ctx, n.use(), func(ctx context.Context, tx pgx.Tx, res usecase.Loaded) error {
		n.BatchID = &res.BatchID
		n.Reads += res.Reads
		if err := n.useReading(res.Since); err != nil {
			return err
		}
		return scheduledb.RunLoaded(ctx, tx, n.RunWork, res.BatchID, res.Reads, strings.Join(append(p.notes, leftOut(res.LeftOut)...), "; "))
	})
}

// useReading lets the comparison use the reading by which the rows were resolved, or a rule
// was worked out. After a crash the site is read again.
func (n *run) useReading(since time.Time) error {
	if since.IsZero() {
		return nil
	}
	pass, err := json.Marshal(siteread.Pass{Since: since})
	if err != nil {
		return fmt.Errorf("error writing how far the site is read: %w", err)
	}
	text := string(pass)
	n.Pass = &text
	return nil
}

// use gives a run the use cases. They are not recorded in the audit log: a run has
// its own record.
func (n *run) use() *usecase.Service {
	return &usecase.Service{
		DB: n.cfg.DB, Client: n.client, CallTimeout: n.cfg.CallTimeout, Worked: true, Logger: n.cfg.Logger,
		Site: func(db.Site) (jobs.SiteConfig, error) { return n.site, nil },
	}
}

func leftOut(rows int64) []string {
	if rows == 0 {
		return nil
	}
	return []string{text.Plural(rows, "row", "rows") + " of other locales left out"}
}

// batchName is the schedule's name and the time it was due, in its time zone.
func (n *run) batchName() string {
	zone, err := ParseZone(n.schedule.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	return n.schedule.Name + " " + n.DueAt.In(zone).Format("2006-01-02 15:04")
}

// outdated reports whether the comparison is too old to apply, because the machine
// was off in the middle of the run. The site is then read from the beginning.
func (n *run) outdated(ctx context.Context) (bool, error) {
	if n.schedule.Mode == "all" {
		return false, nil
	}
	if n.ComparedAt == nil {
		return false, nil
	}
	fresh, err := n.use().Fresh(ctx, *n.BatchID, false)
	if errors.Is(err, db.ErrNotPlanned) { // a person was quicker
		return false, nil
	}
	if err != nil || fresh {
		return false, err
	}
	n.Pass = nil
	return true, nil
}

// compare compares the plan with the site and keeps the rows that differ. If held,
// a person must apply the plan.
func (n *run) compare(ctx context.Context) (held bool, err error) {
	note := ""
	if n.schedule.Mode != "all" {
		note, err = n.look(ctx)
	}
	if errors.Is(err, db.ErrNotPlanned) { // somebody applied or discarded it by hand
		return false, nil
	}
	if err != nil {
		return false, err
	}
	failpoint.Hit("run-compared")
	b, err := records.Batch(ctx, n.cfg.DB, *n.BatchID)
	if err != nil {
		return false, err
	}
	reason, err := heldReason(n.schedule.MaxChange, b.Batch, b.Pending, b.Total)
	if err != nil {
		return false, err
	}
	err = scheduledb.RunCompared(ctx, n.cfg.DB, n.RunWork, scheduledb.ComparedParams{Reads: n.Reads, Note: note, Held: reason})
	return reason != "", err
}

// recordOnly is the note of a run that could not read the site.
const recordOnly = "the token may not read assets (403): compared with relabel's own record of what it sent, which does not show what others changed"

// look reads the site, continuing an earlier try if it can, and compares.
func (n *run) look(ctx context.Context) (note string, err error) {
	pass, err := n.resume(ctx)
	if err != nil {
		return "", err
	}
	before := n.Reads
	err = n.use().Compare(ctx, *n.BatchID, usecase.CompareParams{Params: siteread.Params{
		Resume:     pass,
		Progress:   func(calls, _ int) { n.Reads = before + int64(calls) },
		Checkpoint: n.checkpoint,
	}})
	if errors.Is(err, siteread.ErrMayNotRead) {
		n.Reads++
		return recordOnly, n.cfg.DB.CompareWithRecord(ctx, *n.BatchID)
	}
	return "", err
}

// resume returns how far an earlier try has read; nil to read from the beginning.
func (n *run) resume(ctx context.Context) (*siteread.Pass, error) {
	if n.Pass == nil {
		return nil, nil //nolint:nilnil // there was no earlier try
	}
	var pass siteread.Pass
	if err := json.Unmarshal([]byte(*n.Pass), &pass); err != nil {
		return nil, fmt.Errorf("error reading how far the site was read: %w", err)
	}
	now, err := n.cfg.DB.Now(ctx)
	if err != nil {
		return nil, err
	}
	if now.Sub(pass.Since) > maxPause {
		return nil, nil //nolint:nilnil // too old
	}
	return &pass, nil
}

func (n *run) checkpoint(ctx context.Context, pass siteread.Pass) error {
	text, err := json.Marshal(pass)
	if err != nil {
		return fmt.Errorf("error writing how far the site is read: %w", err)
	}
	err = scheduledb.SavePass(ctx, n.cfg.DB, n.RunWork, text, n.Reads)
	failpoint.Hit("run-page")
	return err
}

// apply makes the plan an ordinary batch, and records that with the run in the
// same transaction.
func (n *run) apply(ctx context.Context) error {
	steps := usecase.Run{
		Lock:    func(ctx context.Context, tx pgx.Tx) error { return scheduledb.LockRun(ctx, tx, n.RunWork) },
		Applied: func(ctx context.Context, tx pgx.Tx) error { return scheduledb.RunApplied(ctx, tx, n.RunWork) },
	}
	err := n.use().Apply(ctx, usecase.Actor{}, usecase.ApplyParams{BatchID: *n.BatchID, Run: &steps})
	if errors.Is(err, db.ErrNotPlanned) { // somebody applied or discarded it by hand: follow it
		err = pgx.BeginFunc(ctx, n.cfg.DB.Pool(), func(tx pgx.Tx) error { return steps.Applied(ctx, tx) })
	}
	failpoint.Hit("run-applied")
	return err
}
