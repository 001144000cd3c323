package retention

import (
	"cmp"
	"math"
	"slices"
)

// Row is what the rule looks at of one rename.
type Row struct {
	ID           int64
	Target       string
	Acceptance   *int64 // of its batch; nil: never accepted
	Old          bool   // it and its batch ended before the chosen time
	Open         bool   // its batch has not ended
	Unchanged    bool   // it ended without a call, as the target had the value
	Sent         bool   // a call was made for it
	Put          bool   // its call may have set the value: it succeeded, or ended while a newer row existed
	Named        bool   // it sets the display name
	AltText      bool   // it sets the alt text
	SupersededBy *int64
}

// What the newest row of a target can be needed for.
const (
	forRetry   = 1 << iota // a retry of an older row finds it, and leaves the target alone
	forRecord              // relabel's own record of the target: a load compares with it
	forName                // undo and verify: who set the name that the target holds
	forAltText             // the same for the alt text
)

// uses lists what a row is needed for, unless a newer row serves instead.
func (r Row) uses() (uses int) {
	if r.Acceptance == nil {
		return 0
	}
	if r.Sent || r.Unchanged {
		uses |= forRetry
	}
	if r.Sent {
		uses |= forRecord
	}
	if r.Put && r.Named {
		uses |= forName
	}
	if r.Put && r.AltText {
		uses |= forAltText
	}
	return uses
}

// needless returns those of one target's rows that may go, by id. A row stays if it is
// not old, is the newest for one of the uses, or took the place of a row that stays. All
// stay while a batch with the target is open: it compares with them.
func needless(rows []Row) (gone []int64) {
	if slices.ContainsFunc(rows, func(r Row) bool { return r.Open }) {
		return nil
	}
	newestFirst := slices.SortedFunc(slices.Values(rows), func(a, b Row) int {
		return cmp.Or(cmp.Compare(place(b), place(a)), cmp.Compare(b.ID, a.ID))
	})
	byID := map[int64]Row{}
	for _, r := range rows {
		byID[r.ID] = r
	}
	stays, had := map[int64]bool{}, 0
	for _, r := range newestFirst {
		if !r.Old || r.uses()&^had != 0 {
			for next, ok := r, true; ok && !stays[next.ID]; next, ok = superseder(byID, next) {
				stays[next.ID] = true
			}
		}
		had |= r.uses()
	}
	for id := range byID {
		if !stays[id] {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	return gone
}

func place(r Row) int64 {
	if r.Acceptance == nil {
		return math.MinInt64
	}
	return *r.Acceptance
}

func superseder(rows map[int64]Row, r Row) (newer Row, ok bool) {
	if r.SupersededBy == nil {
		return newer, false
	}
	newer, ok = rows[*r.SupersededBy]
	return newer, ok
}
