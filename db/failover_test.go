package db_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

// ways are a success with its own statement, and any other finish.
func ways() map[string]int64 { return map[string]int64{"alone": 0, "beside a grant": 1} }

// A fail-over lost the first process's claim, and another one got the same fence. The first one's
// answer does not end the other's call.
func TestFinishOfLostClaim(t *testing.T) {
	t.Parallel()
	all := setup(t)
	for name, grant := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a")
			first := b.mustClaim(t, l.ids[0])
			b.expireLease(t, l.ids[0])
			b.exec(t, `UPDATE rename SET fence = 0 WHERE id = $1`, l.ids[0])
			second := b.claimAs(t, "p2", l.ids[0])[l.ids[0]]
			require.Equal(t, first.Fence, second.Fence)

			f := answer(first, db.RowSucceeded)
			f.GrantID = grant
			require.Empty(t, b.finish(t, f))
			require.Equal(t, "sending", b.rename(t, l.ids[0]).Status)
			require.NotEmpty(t, b.finishAs(t, "p2", answer(second, db.RowSucceeded)))
			b.requireCountsAddUp(t)
		})
	}
}

// A fail-over lost the row during its call. A later row with its number has no attempt.
func TestFinishOfLostRow(t *testing.T) {
	t.Parallel()
	all := setup(t)
	for name, grant := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a")
			c := b.mustClaim(t, l.ids[0])
			b.exec(t, `DELETE FROM rename WHERE id = $1`, l.ids[0])
			f := answer(c, db.RowSucceeded)
			f.GrantID = grant
			require.Empty(t, b.finish(t, f))
			require.Empty(t, b.attempts(t, l.ids[0]))
		})
	}
}
