package schedule

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/schedule/scheduledb"
)

// shortTimeout is how long these tests let a turn wait for a lock that never comes:
// long for what need not wait.
const shortTimeout = 3 * time.Second

// textLog is a log that a test reads.
type textLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *textLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *textLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// impatient is a process that works the sites, with short trips to the database,
// and its log.
func (b *testBundle) impatient() (*Runner, *textLog) {
	b.t.Helper()
	log := &textLog{}
	return b.anotherWith(func(c *Config) {
		c.dbTimeout, c.Logger = shortTimeout, slog.New(slog.NewTextHandler(log, nil))
	}), log
}

// hold keeps rows locked until the test ends, as a process does that stands still.
func (b *testBundle) hold(sql string, args ...any) {
	b.t.Helper()
	_, err := dbtest.Begin(b.t, b).Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// refuse has the database refuse to write runs of a schedule.
func (b *testBundle) refuse(what string, s scheduledb.Schedule) {
	b.t.Helper()
	b.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no space'; END $$`)
	b.exec(`CREATE TRIGGER refuse BEFORE ` + what + ` ON schedule_run FOR EACH ROW
		WHEN (new.schedule_id = ` + strconv.Itoa(s.ID) + `) EXECUTE FUNCTION refuse()`)
}

// countRuns counts those of a schedule.
func (b *testBundle) countRuns(schedule string) int {
	b.t.Helper()
	s, err := scheduledb.ByName(b.t.Context(), b.DB, schedule)
	require.NoError(b.t, err)
	runs, err := scheduledb.Runs(b.t.Context(), b.DB, s.ID, 10)
	require.NoError(b.t, err)
	return len(runs)
}

// addTo makes another schedule, due with the first.
func (b *testBundle) addTo(site db.Site, name string) {
	b.t.Helper()
	due := at2(1)
	require.NoError(b.t, scheduledb.Add(b.t.Context(), b.DB, scheduledb.Schedule{
		Name: name, SiteID: site.ID, Cron: "0 2 * * *", TimeZone: "UTC", CSV: &b.csv,
		Mode: "changed", Overlap: "skip", CatchUp: 12 * time.Hour, NextRunAt: &due,
	}))
}

// What can't be done for one site is told with its name, and is the others' no
// matter.
func TestSitesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*testBundle, scheduledb.Schedule){
		"its schedules are locked": func(b *testBundle, s scheduledb.Schedule) {
			_, err := scheduledb.RunNow(b.t.Context(), b.DB, s.ID)
			require.NoError(b.t, err)
			b.hold(`SELECT FROM schedule WHERE id = $1 FOR UPDATE`, s.ID)
		},
		"its rows can't be written": func(b *testBundle, s scheduledb.Schedule) {
			_, err := scheduledb.RunNow(b.t.Context(), b.DB, s.ID)
			require.NoError(b.t, err)
			b.exec(`UPDATE schedule_run SET status = 'waiting'`)
			b.refuse("UPDATE", s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 3)
			b.write(0, 3)
			b.add(func(s *scheduledb.Schedule) { s.NextRunAt = nil })
			second := b.addSite("second")
			b.addTo(second, "other")
			hold(b, b.schedule())
			b.clock.set(at2(1))
			r, log := b.impatient()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			wait, err := r.Turn(ctx)
			require.ErrorContains(t, err, "site default")
			require.Positive(t, wait)
			require.Equal(t, 1, b.countRuns("other"))
			require.Contains(t, log.String(), "site=default")
			require.NotContains(t, log.String(), "site=second")
		})
	}
}

// A plan that is to be discarded while somebody is at work with it keeps no turn
// waiting.
func TestTurnsDoNotTidy(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	b.write(0, 3)
	limit := "0"
	b.add(func(s *scheduledb.Schedule) { s.MaxChange = &limit })
	held := b.run(at2(1), "held")
	b.exec(`UPDATE schedule_run SET status = 'failed', finished_at = now(), drops_plan = true`)
	b.hold(`SELECT FROM batch WHERE id = $1 FOR UPDATE`, *held.Batch)
	b.clock.set(at2(2))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := b.runner.Turn(ctx)
	require.NoError(t, err)
	require.Len(t, b.runs(), 2)
}

// A schedule that can't be started is told by its name, and holds up no other one
// of its site.
func TestBrokenScheduleHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	b.write(0, 3)
	broken := b.add(func(s *scheduledb.Schedule) {
		due := at2(1).Add(-time.Minute)
		s.Cron, s.NextRunAt = "59 1 * * *", &due
	})
	b.addTo(b.site, "other")
	b.refuse("INSERT", broken)
	b.clock.set(at2(1))
	r, log := b.impatient()
	_, err := r.Turn(t.Context())
	require.ErrorContains(t, err, "nightly")
	require.Contains(t, log.String(), "nightly")
	require.Equal(t, 1, b.countRuns("other"))
	require.True(t, broken.NextRunAt.Equal(*b.schedule().NextRunAt), "it is due still")

	b.exec(`DROP TRIGGER refuse ON schedule_run`)
	_, err = r.Turn(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, b.countRuns("nightly"))
}
