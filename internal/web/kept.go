package web

import (
	"sync"
	"time"
)

// kept holds the dear figures of batches for a moment, so that their cost does
// not grow with who looks. Two may read the same at once; that is cheaper than
// one waiting for the other.
type kept struct {
	mu   sync.Mutex
	byID map[int64]keptFigures
}

type keptFigures struct {
	at time.Time
	slowFigures
}

// maxKept is above what people look at within slowEvery.
const maxKept = 200

func newKept() *kept { return &kept{byID: map[int64]keptFigures{}} }

func (k *kept) get(id int64, now time.Time, read func() (slowFigures, error)) (slowFigures, error) {
	k.mu.Lock()
	have, ok := k.byID[id]
	k.mu.Unlock()
	if ok && now.Sub(have.at) < slowEvery {
		return have.slowFigures, nil
	}
	f, err := read()
	if err != nil {
		return f, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.byID) >= maxKept {
		clear(k.byID)
	}
	k.byID[id] = keptFigures{at: now, slowFigures: f}
	return f, nil
}

// forget has the next look read anew: something was changed.
func (k *kept) forget(id int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
}
