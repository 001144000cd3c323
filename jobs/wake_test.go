package jobs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// Jobs whose notification was lost are worked after the next look, not only after
// River's next poll half a minute later.
func TestLostNotification(t *testing.T) {
	t.Parallel()
	const rows = 3
	b := setup(t, settings{api: standin.Config{Assets: rows}})
	b.start(t)
	first := b.load(t, names("first", 0, rows))
	b.untilDone(t, first)
	second := b.loadWith(t, names("second", 0, rows), func(p *db.LoadParams) {
		p.Queue = func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				INSERT INTO river_job (args, kind, queue, max_attempts, state)
				SELECT json_build_object('rename_id', id), $1, $2, 25, 'available' FROM rename WHERE finished_at IS NULL`,
				jobs.RenameArgs{}.Kind(), b.site.Queue())
			return err
		}
	})
	b.untilBatchWithin(t, inTime, second, `status = 'done'`)
	require.EqualValues(t, rows, b.status(t, second).Succeeded)
}

// A feeder does not wait for the next look between the chunks of a batch whose canceller
// is gone.
func TestCancelledBatchEndsWithoutCanceller(t *testing.T) {
	t.Parallel()
	const rows = 25_000 // three chunks
	b := setup(t, settings{times: jobs.Times{FeedEvery: time.Minute}})
	batch := b.load(t, names("new", 0, rows))
	b.exec(t, `UPDATE batch SET status = 'cancelled', cancelled_at = now() WHERE id = $1`, batch)
	b.start(t)
	b.untilBatchWithin(t, 30*time.Second, batch, fmt.Sprintf(`cancelled = %d`, rows))
}

// A feed wakes the workers of its queue once. River shows each notification to all queues of
// all processes.
func TestFeedNotifiesOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `LISTEN "relabel.river_insert"; LISTEN "end"`)
	require.NoError(t, err)
	b.load(t, names("new", 0, 1000)) // several statements that insert jobs
	b.exec(t, `NOTIFY "end"`)
	var queues []string
	for {
		n, err := conn.Conn().WaitForNotification(t.Context())
		require.NoError(t, err)
		if n.Channel == "end" {
			break
		}
		queues = append(queues, n.Payload)
	}
	require.Equal(t, []string{fmt.Sprintf(`{"queue": %q}`, b.site.Queue())}, queues)
}
