package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
)

// A later River may bring another index. Then decide whether our schema keeps it.
func TestReindexerKnowsOurIndexes(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	have := dbtest.List[string](t, d, `
		SELECT indexname FROM pg_indexes WHERE schemaname = 'relabel' AND tablename = 'river_job' ORDER BY 1`)
	require.Equal(t, riverIndexes(), have)
}
