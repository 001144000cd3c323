package db_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
)

// change is one change of a rename, in the order in which they were made.
type change struct {
	ID         int64
	AssetID    string
	Acceptance int64
	Was        string
	Status     string
	Claimed    bool
	Leased     bool // after the change
}

const historySQL = `
	CREATE TABLE history (seq bigserial, id bigint, was text, status text, claimed bool, leased bool);
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO history (id, was, status, claimed, leased)
		VALUES (new.id, old.status, new.status, new.fence > old.fence, coalesce(new.lease_until > clock_timestamp(), false));
		RETURN NULL;
	END $$;
	CREATE TRIGGER note AFTER UPDATE ON rename FOR EACH ROW EXECUTE FUNCTION note()`

// TestManyAtOnce has processes load, claim, finish, die, pause, cancel and retry on a handful of targets all at the
// same time, and then reads in the database's own record of all changes that what must always hold did.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.Pool().Exec(t.Context(), historySQL)
	require.NoError(t, err)
	b.AcceptInChunksOf(1)
	b.EndInChunksOf(5)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const enough = 100 // claims; how many a round makes is a matter of chance
	for round := uint64(0); value[int](t, b, `SELECT count(*)::int FROM history WHERE claimed`) < enough; round++ {
		b.crowd(t, seed+round)
	}
	b.acceptAll(t)
	b.requireCountsAddUp(t)
	b.requireSoundHistory(t)
}

// crowd lets all of them act at the same time, for a while.
func (b *testBundle) crowd(t *testing.T, seed uint64) {
	t.Helper()
	crowd := pool.New().WithErrors()
	run := func(n uint64, times int, step func(*hand) error) {
		h := &hand{testBundle: b, ctx: t.Context(), Rand: rand.New(rand.NewPCG(seed, n))}
		crowd.Go(func() error {
			for range times {
				if err := step(h); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for n := range uint64(5) {
		run(n, 1, (*hand).workOn)
	}
	run(10, 25, (*hand).load)
	run(11, 25, (*hand).load)
	run(20, 60, (*hand).meddle)
	require.NoError(t, crowd.Wait())
}

// hand is one of those who do something at the same time.
type hand struct {
	*testBundle
	*rand.Rand
	ctx     context.Context
	answers []db.Finish // of the calls of its last step
}

func (h *hand) load() error {
	targets := make([]string, 1+h.IntN(4))
	for i := range targets {
		targets[i] = []string{"a", "b", "c"}[h.IntN(3)]
	}
	p := h.params(rowsOf(targets...))
	p.Force = h.IntN(2) == 0
	load := h.Load
	if h.IntN(2) == 0 {
		load = h.LoadFirst
	}
	_, err := load(h.ctx, p)
	return err
}

// workOn works for a while, and then hands in the outcomes of its last calls: their leases would keep its targets from
// everyone in the rounds that follow.
func (h *hand) workOn() error {
	for range 60 {
		if err := h.work(); err != nil {
			return err
		}
	}
	_, err := h.Finish(h.ctx, db.FinishParams{ProcessID: process, Finishes: h.answers})
	return err
}

// work claims what is open, together with the outcomes of what it claimed before, or dies over them. The leases of one that dies are over at once: they would keep
// its targets from everyone for the rest of the test.
func (h *hand) work() error {
	ids, err := h.pick(`SELECT id FROM rename WHERE finished_at IS NULL ORDER BY random() LIMIT 4`)
	if err != nil {
		return err
	}
	claims, _, err := h.Turn(h.ctx,
		db.ClaimParams{ProcessID: process, RenameIDs: ids, Lease: lease},
		db.FinishParams{ProcessID: process, Finishes: h.answers})
	if err != nil {
		return err
	}
	dies := h.IntN(8) == 0
	h.answers = nil
	for _, c := range claims {
		if c.Verdict != db.Claimed {
			continue
		}
		if dies || h.IntN(8) == 0 {
			if err := h.lapse(c); err != nil {
				return err
			}
		}
		if !dies {
			h.answers = append(h.answers, answer(c, []db.RowStatus{"succeeded", "failed", "pending"}[h.IntN(3)]))
		}
	}
	return nil
}

// lapse ends the lease of a claim.
func (h *hand) lapse(c db.Claim) error {
	_, err := h.Pool().Exec(h.ctx, `
		UPDATE rename SET lease_until = clock_timestamp() - interval '1 ms'
		WHERE id = $1 AND fence = $2 AND status = 'sending'`, c.RenameID, c.Fence)
	return err
}

// meddle is what people do.
func (h *hand) meddle() error {
	batches, err := h.pick(`SELECT id FROM batch ORDER BY random() LIMIT 1`)
	if err != nil || len(batches) == 0 {
		return err
	}
	switch h.IntN(6) {
	case 0:
		_, err = records.RetryRows(h.ctx, h.DB, records.RowFilter{Batch: batches[0], Statuses: []db.RowStatus{"failed", "cancelled", "superseded"}}, nil)
	case 1:
		_, _, err = h.CancelOpen(h.ctx, h.site.ID)
	case 2:
		_, err = h.AcceptMore(h.ctx, h.site.ID)
	case 3:
		_, err = h.CancelBatch(h.ctx, batches[0], nil)
		if _, ended := errors.AsType[*db.BatchStateError](err); ended {
			return nil
		}
	default:
		_, err = setBatch(h.ctx, h.DB, batches[0], []db.BatchStatus{"paused", "active", "active", "cancelled"}[h.IntN(4)])
	}
	return err
}

func (h *hand) pick(sql string) ([]int64, error) {
	rows, err := h.Pool().Query(h.ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

func (b *testBundle) requireSoundHistory(t tb) {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), `
		SELECT h.id, r.asset_id, b.acceptance, h.was, h.status, h.claimed, h.leased
		FROM history h JOIN rename r ON r.id = h.id JOIN batch b ON b.id = r.batch_id ORDER BY h.seq`)
	require.NoError(t, err)
	history, err := pgx.CollectRows(rows, pgx.RowToStructByName[change])
	require.NoError(t, err)
	flying, newest := map[string]int64{}, map[string]change{}
	for _, c := range history {
		if c.Was != "pending" && c.Was != "sending" && c.Was != c.Status {
			require.Contains(t, []string{"failed", "cancelled", "superseded"}, c.Was, "rename %d was final", c.ID)
			require.Contains(t, []string{"pending", "superseded"}, c.Status, "rename %d was retried", c.ID)
		}
		if c.Claimed {
			require.Zero(t, flying[c.AssetID], "rename %d was claimed while another call of its target was in flight", c.ID)
			last := newest[c.AssetID]
			require.LessOrEqual(t, last.Acceptance, c.Acceptance, "rename %d was claimed after a newer one, %d", c.ID, last.ID)
			newest[c.AssetID] = c
		}
		switch {
		case c.Leased:
			flying[c.AssetID] = c.ID
		case flying[c.AssetID] == c.ID:
			delete(flying, c.AssetID)
		}
	}
}
