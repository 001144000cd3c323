package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
	"relabel/internal/text"
)

const (
	scheduledAssets = 50 // the schedule's own
	scheduleCron    = "@every 2s"

	// scheduleTime is far more than the two runs need.
	scheduleTime = time.Minute

	pollEvery = 500 * time.Millisecond

	byHand = "renamed by hand.jpg"
)

// Schedule shows that a schedule renames what differs, and that a later run restores
// a name that somebody changed by hand.
type Schedule struct {
	db     *db.DB
	server *standin.Server
	sched  scheduledb.Schedule
	assets []string
	dir    string
	note   func(format string, args ...any)
}

// AddSchedule makes a schedule for the site. It is due now. The stand-in fails no more:
// the demo would wait half a minute for a call whose outcome is unknown. Remove the
// schedule in the end.
func AddSchedule(ctx context.Context, d *db.DB, server *standin.Server, site db.Site, note func(string, ...any)) (*Schedule, error) {
	server.SetChances()
	s := &Schedule{db: d, server: server, assets: server.AddAssets(scheduledAssets), note: note}
	err := s.writeFile()
	if err == nil {
		err = s.add(ctx, site)
	}
	if err != nil {
		s.Remove(ctx)
		return nil, err
	}
	note("demo: now a schedule, which reads the wanted names of %d more assets every 2 s", len(s.assets))
	return s, nil
}

func (s *Schedule) writeFile() (err error) {
	if s.dir, err = os.MkdirTemp("", "relabel-demo-"); err != nil {
		return fmt.Errorf("error making a folder for the demo: %w", err)
	}
	f, err := os.Create(s.path())
	if err != nil {
		return fmt.Errorf("error making the demo's schedule: %w", err)
	}
	if _, err = s.writeRows(f); err == nil {
		err = f.Close()
	}
	return err
}

// Dir is the folder of the schedule's CSV. Workers must be allowed to read it.
func (s *Schedule) Dir() string { return s.dir }

func (s *Schedule) path() string { return filepath.Join(s.dir, "names.csv") }

func (s *Schedule) writeRows(w io.Writer) (int64, error) {
	return writeCSV(w, len(s.assets), func(i int) (string, string) {
		return s.assets[i], fmt.Sprintf("Winter collection %02d.jpg", i)
	})
}

func (s *Schedule) add(ctx context.Context, site db.Site) error {
	if old, err := scheduledb.ByName(ctx, s.db, site.Name); err == nil { // a killed demo's
		if err := scheduledb.Remove(ctx, s.db, old.ID); err != nil {
			return err
		}
	}
	now, err := s.db.Now(ctx)
	if err != nil {
		return err
	}
	path := s.path()
	err = scheduledb.Add(ctx, s.db, scheduledb.Schedule{
		Name: site.Name, SiteID: site.ID, Cron: scheduleCron, TimeZone: "UTC", CSV: &path,
		Mode: "changed", Overlap: "skip", NextRunAt: &now,
	})
	if err != nil {
		return err
	}
	s.sched, err = scheduledb.ByName(ctx, s.db, site.Name)
	return err
}

// Remove removes the schedule and its file.
func (s *Schedule) Remove(ctx context.Context) {
	if s.sched.ID != 0 {
		_ = scheduledb.Remove(context.WithoutCancel(ctx), s.db, s.sched.ID) // else the next demo does
	}
	_ = os.RemoveAll(s.dir)
}

// Watch waits for two runs, and renames an asset by hand between them. Workers must
// be running.
func (s *Schedule) Watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scheduleTime)
	defer cancel()
	first, err := s.run(ctx, 0)
	if err != nil {
		return err
	}
	s.note("demo: run %d found %d of %d rows different with %s, and renamed %d; now somebody changes a name by hand",
		first.Run, first.Different, first.LookedAt, text.Plural(first.Reads, "call", "calls"), first.Renamed)
	asset := s.assets[0]
	want := s.server.Name(asset, "")
	s.server.SetName(asset, "", byHand)
	second, err := s.run(ctx, first.Run)
	if err != nil {
		return err
	}
	if got := s.server.Name(asset, ""); got != want || second.Renamed != 1 {
		return fmt.Errorf("the demo did not come out as it should: run %d renamed %d assets, and %s is named %q, not %q",
			second.Run, second.Renamed, asset, got, want)
	}
	s.note("demo: run %d put back the one: %q is %q again", second.Run, byHand, want)
	return nil
}

// run waits for a run after another one that has renamed something.
func (s *Schedule) run(ctx context.Context, after int64) (scheduledb.Run, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		runs, err := scheduledb.Runs(ctx, s.db, s.sched.ID, 100)
		if err != nil {
			return scheduledb.Run{}, err
		}
		for _, r := range runs {
			switch {
			case r.Run > after && r.Status == scheduledb.RunDone && r.Renamed > 0:
				return r, nil
			case r.Status == scheduledb.RunFailed:
				return r, fmt.Errorf("the demo's run %d failed: %s", r.Run, text.Deref(r.Error))
			}
		}
		select {
		case <-ctx.Done():
			return scheduledb.Run{}, errors.New("the demo's schedule did not run in time")
		case <-tick.C:
		}
	}
}
