package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sourcegraph/conc"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

// sharing is a pool without River whose two sites have one row each, and hand in their turns
// for the same transaction.
type sharing struct {
	*Pool

	t    *testing.T
	ids  map[int]int64 // the row of each site
	site []db.Site
}

func newSharing(t *testing.T) *sharing {
	d := dbtest.New(t)
	s := &sharing{t: t, ids: map[int]int64{}}
	s.Pool = &Pool{cfg: Config{DB: d, CallTimeout: time.Second}, process: db.Process{ID: "p1"}, log: newLaneLog(d)}
	s.worker = s.newWorker()
	s.turns = newBatcher(sitesTogether, patient(s.turnTogether))
	for i := range 2 {
		name := fmt.Sprint("site", i)
		require.NoError(t, d.SaveSite(t.Context(), db.Site{Name: name}))
		site, err := d.SiteByName(t.Context(), name)
		require.NoError(t, err)
		require.NoError(t, d.EnsureLane(t.Context(), site.ID, db.LaneSettings{Fingerprint: name, Limit: 60, Window: time.Minute, Fixed: true}))
		s.site = append(s.site, site)
		s.ids[site.ID] = s.load(site)
	}
	return s
}

func (s *sharing) load(site db.Site) (rename int64) {
	value := "n"
	batch, err := s.cfg.DB.Load(s.t.Context(), db.LoadParams{
		SiteID: site.ID, Name: "b", Source: "b", Priority: 2, Queue: func(context.Context, pgx.Tx) error { return nil },
		Rows: func(yield func(*db.SourceRow, error) bool) {
			yield(&db.SourceRow{Line: 2, AssetID: "650000000000000000000001", DisplayName: &value}, nil)
		},
	})
	require.NoError(s.t, err)
	return dbtest.Value[int64](s.t, s.cfg.DB, `SELECT id FROM rename WHERE batch_id = $1`, batch)
}

// together hands in a request for each site, and lets run begin when they are there. It
// returns a channel for each site, which is closed with its answer.
func (s *sharing) together(do func(ctx context.Context, site db.Site) error, waiting func() int, run func(context.Context, int)) []chan struct{} {
	ctx, cancel := context.WithCancel(s.t.Context())
	var all conc.WaitGroup
	s.t.Cleanup(func() { all.Wait(); cancel() })
	answered := make([]chan struct{}, len(s.site))
	for i, site := range s.site {
		answered[i] = make(chan struct{})
		all.Go(func() {
			if err := do(ctx, site); err != nil {
				s.t.Errorf("%s: %v", site.Name, err)
			}
			close(answered[i])
		})
	}
	require.Eventually(s.t, func() bool { return waiting() == len(s.site) }, dbtest.Patience, time.Millisecond)
	go run(ctx, 1)
	return answered
}

// Sites share transactions, but none waits for the rows of another.
func TestNoSiteWaitsForAnother(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	tx := dbtest.Begin(t, s.cfg.DB)
	_, err := tx.Exec(t.Context(), `SELECT FROM rename WHERE id = $1 FOR UPDATE`, s.ids[s.site[0].ID])
	require.NoError(t, err)
	answered := s.together(func(ctx context.Context, site db.Site) error {
		id := s.ids[site.ID]
		_, err := s.turnOf(ctx, siteTurns{site.ID, site.Name, []turn{{finish: db.Finish{RenameID: id, Fence: 1, Status: db.RowSucceeded, Outcome: db.OutcomeSucceeded, Called: true}}}})
		return err
	}, func() int { return len(s.turns.requests) }, s.turns.run)
	s.requireOnly(answered)
	require.NoError(t, tx.Rollback(t.Context()))
	<-answered[0]
}

// Lanes share statements, but none waits for the lock of another.
func TestNoLaneWaitsForAnother(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	tx := dbtest.Begin(t, s.cfg.DB)
	_, err := tx.Exec(t.Context(), `SELECT FROM lane WHERE fingerprint = $1 FOR UPDATE`, s.site[0].Name)
	require.NoError(t, err)
	answered := s.together(func(ctx context.Context, site db.Site) error {
		got, err := s.log.Grant(ctx, db.GrantParams{Lane: site.Name, ProcessID: "p1", Want: 2, Hold: time.Minute})
		if err == nil && len(got.IDs) != 2 {
			err = fmt.Errorf("%d grants", len(got.IDs))
		}
		return err
	}, func() int { return len(s.log.grants.requests) }, s.log.grants.run)
	s.requireOnly(answered)
	require.NoError(t, tx.Rollback(t.Context()))
	<-answered[0]
}

// requireOnly checks that the second site is answered while the first one waits.
func (s *sharing) requireOnly(answered []chan struct{}) {
	s.t.Helper()
	select {
	case <-answered[1]:
	case <-answered[0]:
		s.t.Fatal("the lock held nobody up")
	case <-time.After(dbtest.Patience):
		s.t.Fatal("a site waits for another")
	}
}
