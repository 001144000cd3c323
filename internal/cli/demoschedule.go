package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/internal/text"
	"relabel/jobs"
)

const (
	demoEvery     = "@every 2s"
	demoScheduled = 50 // rows of its source, of assets of their own

	// demoScheduleTime is far above the two runs that are waited for.
	demoScheduleTime = time.Minute

	byHand = "renamed by hand.jpg"
)

// demoSchedule shows a schedule: what differs is renamed, and a name that somebody
// changes by hand afterwards is put back by a later run. The stand-in is well here:
// a call whose outcome is not known would be waited for half a minute.
func (a *app) demoSchedule(ctx context.Context, s *session, server *standin.Server, site jobs.SiteConfig) error {
	ctx, cancel := context.WithTimeout(ctx, demoScheduleTime)
	defer cancel()
	server.SetChances()
	ids := server.AddAssets(demoScheduled)
	sched, done, err := s.addDemoSchedule(ctx, site.Site, ids)
	if err != nil {
		return err
	}
	defer done()
	a.note("demo: now a schedule, which reads the wanted names of %d more assets every 2 s", len(ids))
	working, err := a.startWork(ctx, s, []jobs.SiteConfig{site}, workFlags{jobs.DefaultConcurrency, jobs.DefaultLimits()})
	if err != nil {
		return err
	}
	err = a.demoRuns(ctx, s, server, sched, ids[0])
	if stopErr := working.stop(); err == nil {
		err = stopErr
	}
	return err
}

func (a *app) demoRuns(ctx context.Context, s *session, server *standin.Server, sched db.Schedule, asset string) error {
	first, err := s.demoRun(ctx, sched, 0)
	if err != nil {
		return err
	}
	a.note("demo: run %d found %d of %d rows different with %s, and renamed %d; now somebody changes a name by hand",
		first.Run, first.Different, first.LookedAt, text.Plural(first.Reads, "call", "calls"), first.Renamed)
	want := server.Name(asset, "")
	server.SetName(asset, "", byHand)
	second, err := s.demoRun(ctx, sched, first.Run)
	if err != nil {
		return err
	}
	if got := server.Name(asset, ""); got != want || second.Renamed != 1 {
		return fmt.Errorf("the demo did not come out as it should: run %d renamed %d assets, and %s is named %q, not %q",
			second.Run, second.Renamed, asset, got, want)
	}
	a.note("demo: run %d put back the one: %q is %q again", second.Run, byHand, want)
	return nil
}

// addDemoSchedule makes a schedule that is due now, of a file that lives as long.
func (s *session) addDemoSchedule(ctx context.Context, site db.Site, ids []string) (db.Schedule, func(), error) {
	none := db.Schedule{}
	dir, err := os.MkdirTemp("", "relabel-demo-")
	if err != nil {
		return none, nil, fmt.Errorf("error making a folder for the demo: %w", err)
	}
	path := filepath.Join(dir, "names.csv")
	if _, err := writeFile(path, func(w io.Writer) (int64, error) { return writeDemoSchedule(w, ids) }); err != nil {
		return none, nil, err
	}
	if old, err := s.ScheduleByName(ctx, site.Name); err == nil { // of a demo that was killed
		if err := s.RemoveSchedule(ctx, old.ID); err != nil {
			return none, nil, err
		}
	}
	now, err := s.Now(ctx)
	if err == nil {
		err = s.AddSchedule(ctx, db.Schedule{
			Name: site.Name, SiteID: site.ID, Cron: demoEvery, TimeZone: "UTC", CSV: &path,
			Mode: "changed", Overlap: "skip", NextRunAt: &now,
		})
	}
	if err != nil {
		return none, nil, err
	}
	sched, err := s.ScheduleByName(ctx, site.Name)
	return sched, func() {
		_ = s.RemoveSchedule(context.WithoutCancel(ctx), sched.ID) // the next demo would
		_ = os.RemoveAll(dir)
	}, err
}

func writeDemoSchedule(w io.Writer, ids []string) (int64, error) {
	buf := bufio.NewWriter(w)
	fmt.Fprintln(buf, "asset_id,display_name")
	for i, id := range ids {
		fmt.Fprintf(buf, "%s,Winter collection %02d.jpg\n", id, i)
	}
	return int64(len(ids)), buf.Flush()
}

// demoRun waits for a run after another one that has renamed something.
func (s *session) demoRun(ctx context.Context, sched db.Schedule, after int64) (db.ScheduleRun, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		runs, err := s.ScheduleRuns(ctx, sched.ID, 100)
		if err != nil {
			return db.ScheduleRun{}, err
		}
		for _, r := range runs {
			switch {
			case r.Run > after && r.Status == "done" && r.Renamed > 0:
				return r, nil
			case r.Status == "failed":
				return r, fmt.Errorf("the demo's run %d failed: %s", r.Run, text.Deref(r.Error))
			}
		}
		select {
		case <-ctx.Done():
			return db.ScheduleRun{}, errors.New("the demo's schedule did not run in time")
		case <-tick.C:
		}
	}
}
