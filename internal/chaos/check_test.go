//go:build unix

package chaos

import (
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// row is a rename, with what decides its place in the order "newest wins".
type row struct {
	ID         int64
	Acceptance int64
	AssetID    string
	Name       string
	Status     string
	Calls      int
}

// rows returns all renames, the oldest acceptance first.
func (s *stage) rows() []row {
	s.Helper()
	rows, err := s.db.Pool().Query(s.Context(), `
		SELECT r.id, b.acceptance, r.asset_id, r.display_name AS name, r.status, r.calls
		FROM rename r JOIN batch b ON b.id = r.batch_id ORDER BY b.acceptance, r.id`)
	require.NoError(s, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	require.NoError(s, err)
	return list
}

// checkConserved checks I1: every row has one final status, the counters are right, and
// no batch is open.
func (s *stage) checkConserved() {
	s.Helper()
	require.Zero(s, s.open(), "unfinished rows")
	require.Zero(s, ask[int](s, `SELECT count(*) FROM batch WHERE status NOT IN ('done', 'cancelled') OR finished_at IS NULL`), "open batches")
	require.Zero(s, ask[int](s, `
		SELECT count(*) FROM batch b JOIN (
			SELECT batch_id, count(*) AS total,
				count(*) FILTER (WHERE status = 'sending') AS sending, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
				count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'superseded') AS superseded,
				count(*) FILTER (WHERE status = 'unchanged') AS unchanged, count(*) FILTER (WHERE status = 'conflict') AS conflict,
				count(*) FILTER (WHERE status = 'cancelled') AS cancelled, count(*) FILTER (WHERE status = 'invalid') AS invalid,
				sum((SELECT count(*) FROM attempt a WHERE a.rename_id = r.id)) AS calls
			FROM rename r GROUP BY batch_id
		) c ON c.batch_id = b.id
		WHERE (b.total, b.sending, b.succeeded, b.failed, b.superseded, b.unchanged, b.conflict, b.cancelled, b.invalid, b.calls)
			<> (c.total, c.sending, c.succeeded, c.failed, c.superseded, c.unchanged, c.conflict, c.cancelled, c.invalid, c.calls)`),
		"batches whose counters are wrong")
}

// checkHonest checks I2: the API acknowledged the value of every row that succeeded.
func (s *stage) checkHonest() {
	s.Helper()
	acknowledged := map[rename]bool{}
	for _, c := range s.api.Log() {
		if c.Applied && c.Status == http.StatusOK && c.DisplayName != nil {
			acknowledged[rename{c.AssetID, *c.DisplayName}] = true
		}
	}
	for _, r := range s.rows() {
		if r.Status == "succeeded" {
			require.True(s, acknowledged[rename{r.AssetID, r.Name}], "row %d succeeded and was never acknowledged: %+v", r.ID, r)
		}
	}
}

// checkOrder checks I3: for each target no older value arrives after a newer one, and
// the API holds the newest value that succeeded, or a newer one whose answer was lost.
// It needs a different value in every row.
func (s *stage) checkOrder() {
	s.Helper()
	place := map[rename]int{}
	newest := map[string]int{} // of each target, the last that succeeded
	rows := s.rows()
	for i, r := range rows {
		place[rename{r.AssetID, r.Name}] = i
		if r.Status == "succeeded" {
			newest[r.AssetID] = i
		}
	}
	last := map[string]int{}
	for _, c := range s.patches() {
		at, known := place[rename{c.AssetID, *c.DisplayName}]
		require.True(s, known, "a value arrived that nobody loaded: %+v", c)
		require.GreaterOrEqual(s, at, last[c.AssetID], "an older value arrived after a newer one: %+v after %+v", c, rows[last[c.AssetID]])
		last[c.AssetID] = at
	}
	for asset, i := range newest {
		at, known := place[rename{asset, s.api.Name(asset, "")}]
		require.True(s, known && (at == i || at > i && rows[at].Status != "succeeded"),
			"the API holds %q, the newest that succeeded is %+v", s.api.Name(asset, ""), rows[i])
	}
}

func (s *stage) patches() (list []standin.Call) {
	for _, c := range s.api.Log() {
		if c.Method == http.MethodPatch && c.DisplayName != nil {
			list = append(list, c)
		}
	}
	return list
}

// noticed is how long the API may take to notice that a caller has gone.
const noticed = time.Second

// checkAlone checks I4: no two calls for one target overlap for longer than slack. In
// the log, a call that its caller gave up ends only when the API notices that.
func (s *stage) checkAlone(slack time.Duration) {
	s.Helper()
	for _, o := range s.api.Overlaps(slack) {
		late := o.First.AnsweredAt.Sub(o.Second.ArrivedAt)
		require.True(s, o.First.Status == 0 && late < noticed, "two calls at a time, for %s: %+v", late, o)
	}
}

// checkBudget checks I5, and that no call got a 429 except those that the test ordered.
func (s *stage) checkBudget() {
	s.Helper()
	if s.limit == 0 {
		return
	}
	require.LessOrEqual(s, s.api.MaxInWindow(s.window), s.limit)
	for _, c := range s.api.Log() {
		require.False(s, c.Status == http.StatusTooManyRequests && c.Fault == "", "refused for the limit: %+v", c)
	}
}

// checkAll checks what must hold once all rows have finished.
func (s *stage) checkAll() {
	s.Helper()
	s.checkConserved()
	s.checkHonest()
	s.checkOrder()
	s.checkAlone(0)
	s.checkBudget()
}
