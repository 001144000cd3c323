package schedule

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/usecase"
)

// TestRun reads a schedule's source as a run would, in this process, and stores it as a
// plan that belongs to no run: nothing is sent. The plan must be compared with the site
// to show what would change. read reads the site for rows that name their assets; nil: the
// usual way.
func (e Sources) TestRun(ctx context.Context, use *usecase.Service, by usecase.Actor, s scheduledb.Schedule, read usecase.NameReading) (out usecase.Loaded, err error) {
	site, err := use.DB.SiteByName(ctx, s.Site)
	if err != nil {
		return out, err
	}
	var plan string
	entry := records.AuditEntry{Action: "test", Subject: "schedule " + s.Name, Detail: "schedule " + s.Name, Becomes: &plan}
	err = use.Record(ctx, by, entry, func(ctx context.Context) (rows int64, err error) {
		src, done, err := e.openFor(ctx, use, site, s, false)
		if err != nil {
			return -1, err
		}
		defer done()
		l := newLoading(s, site, src, s.Name+" test run")
		l.ReadNames = read
		err = l.load(ctx, use, func(_ context.Context, _ pgx.Tx, res usecase.Loaded) error {
			out = res
			return nil
		})
		if err == nil {
			plan = records.BatchSubject(out.BatchID)
		}
		return -1, err
	})
	return out, err
}
