package notice

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
)

// Workers of the version before know the queue as schedule_notice. They make, take and
// record the notices of schedules there, and never see the others.
func TestOldWorkers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make("https://example.com/")
	b.exec(`INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up, notify_url)
		VALUES ('nightly', $1, '@daily', 'UTC', '/n.csv', '1 h', 'https://example.com/')`, b.site.ID)
	b.exec(`INSERT INTO schedule_notice (schedule_id, run_id, event, detail) SELECT id, 1, 'failed', 'x' FROM schedule`)
	ids := dbtest.List[int64](t, b, `
		WITH due AS (
			SELECT n.id FROM schedule_notice n JOIN schedule c ON c.id = n.schedule_id
			WHERE n.next_try_at <= clock_timestamp() AND c.site_id = ANY ($1)
			ORDER BY n.next_try_at LIMIT 10 FOR UPDATE OF n SKIP LOCKED
		)
		UPDATE schedule_notice n SET tries = n.tries + 1, next_try_at = clock_timestamp() + interval '10 s'
		FROM due, schedule c, site s WHERE n.id = due.id AND c.id = n.schedule_id AND s.id = c.site_id
		RETURNING n.id`, b.cfg.sites())
	require.Len(t, ids, 1)
	b.exec(`UPDATE schedule_notice SET sent_at = clock_timestamp(), next_try_at = NULL WHERE id = $1`, ids[0])
	require.Equal(t, []string{"failed 1 true", "parked 0 false"},
		dbtest.List[string](t, b, `SELECT format('%s %s %s', event, tries, (sent_at IS NOT NULL)::text) FROM notice ORDER BY event`))
}
