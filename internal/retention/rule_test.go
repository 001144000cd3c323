package retention

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each row is of a batch of its own, accepted in this order, and old.
func TestNeedless(t *testing.T) {
	t.Parallel()
	sent := Row{Sent: true, Put: true, Named: true}
	described := Row{Sent: true, Put: true, AltText: true}
	failed := Row{Sent: true, Named: true}
	unchanged, unsent := Row{Unchanged: true}, Row{Named: true}
	by := func(r Row, id int64) Row { r.SupersededBy = &id; return r }
	open := func(r Row) Row { r.Open = true; return r }
	for name, c := range map[string]struct {
		rows []Row
		gone []int64
	}{
		"only one":                       {[]Row{sent}, nil},
		"the newest is enough":           {[]Row{sent, sent, sent}, []int64{1, 2}},
		"a name and an alt text":         {[]Row{sent, described, described}, []int64{2}},
		"the last failed":                {[]Row{sent, sent, failed, failed}, []int64{1, 3}},
		"found unchanged since":          {[]Row{sent, unchanged, unchanged}, []int64{2}},
		"sent since it was unchanged":    {[]Row{unchanged, sent}, []int64{1}},
		"never sent":                     {[]Row{unsent, unsent}, []int64{1, 2}},
		"superseded unsent":              {[]Row{by(unsent, 2), sent, sent}, []int64{1, 2}},
		"superseded by one that stays":   {[]Row{by(unsent, 2), sent}, []int64{1}},
		"superseded after it was sent":   {[]Row{by(sent, 2), by(unsent, 3), unsent}, nil},
		"an open batch has the target":   {[]Row{sent, sent, open(unsent)}, nil},
		"an open batch before has it":    {[]Row{open(sent), sent, sent}, nil},
		"superseded by one that is gone": {[]Row{by(unsent, 99)}, []int64{1}},
	} {
		for i := range c.rows {
			place := int64(i + 1)
			c.rows[i].ID, c.rows[i].Acceptance, c.rows[i].Old = place, &place, !c.rows[i].Open
		}
		require.Equal(t, c.gone, needless(c.rows), name)
	}
}

// A row that is not old stays, with the row that took its place. Rows of plans that were
// never applied go.
func TestNeedlessByAge(t *testing.T) {
	t.Parallel()
	second, place := int64(2), int64(1)
	require.Empty(t, needless([]Row{{ID: 1, Acceptance: &place, SupersededBy: &second}, {ID: 2, Acceptance: &place, Old: true}}))
	require.Equal(t, []int64{1}, needless([]Row{{ID: 1, Old: true, Unchanged: true}}))
}
