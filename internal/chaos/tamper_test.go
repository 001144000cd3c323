//go:build unix

package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tamperings are changes that people make to River's table, in River UI or by SQL, while
// a batch is being sent.
func tamperings() map[string]string {
	const unfinished = ` WHERE finalized_at IS NULL`
	return map[string]string{
		"deleted":              `DELETE FROM river_job`,
		"completed":            `UPDATE river_job SET state = 'completed', finalized_at = now()` + unfinished,
		"cancelled":            `UPDATE river_job SET state = 'cancelled', finalized_at = now()` + unfinished,
		"discarded":            `UPDATE river_job SET state = 'discarded', finalized_at = now()` + unfinished,
		"retried":              `UPDATE river_job SET state = 'available', scheduled_at = now(), finalized_at = NULL`,
		"retryable in an hour": `UPDATE river_job SET state = 'retryable', scheduled_at = now() + interval '1 hour'` + unfinished,
		"scheduled in an hour": `UPDATE river_job SET state = 'scheduled', scheduled_at = now() + interval '1 hour'` + unfinished,
		"available in an hour": `UPDATE river_job SET state = 'available', scheduled_at = now() + interval '1 hour'` + unfinished,
		"pending for ever":     `UPDATE river_job SET state = 'pending'` + unfinished,
		"running nowhere":      `UPDATE river_job SET state = 'running', attempted_at = now(), attempted_by = '{nobody}'` + unfinished,
		"running in a process that does not know it": `
			UPDATE river_job SET state = 'running', attempted_at = now(),
				attempted_by = ARRAY[(SELECT id FROM process ORDER BY started_at LIMIT 1)]` + unfinished,
	}
}

// The job table is changed while a batch is being sent. The renames do not change, and
// pending ones get new jobs within a minute.
func TestTamperedJobs(t *testing.T) {
	t.Parallel()
	for name, sql := range tamperings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newStage(t, 10, time.Second).tamper(sql)
		})
	}
}

func (s *stage) tamper(sql string) {
	const n = 80
	s.worker("first")
	s.worker("second")
	s.enqueue(renames(n, "value"))
	s.waitCalls(15)
	changed := s.exec(sql)
	at := time.Now()
	s.Logf("%d jobs changed: at rest %.1f s later", changed, s.waitFinished(at).Seconds())
	s.checkAll()
	s.checkSucceeded(n)
	require.Len(s, s.patches(), n, "each row is sent once")
	require.Less(s, time.Since(at), time.Minute+n*time.Second/time.Duration(s.limit), "new jobs within a minute")
}
