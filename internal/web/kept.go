package web

import (
	"sync"
	"time"
)

// kept holds dear figures of batches for a moment, so that their cost does not
// grow with who looks. Two may read the same at once; that is cheaper than one
// waiting for the other.
type kept[T any] struct {
	life time.Duration

	mu   sync.Mutex
	byID map[int64]keptFigures[T]
}

type keptFigures[T any] struct {
	at      time.Time
	state   string
	figures T
}

// maxKept is above what people look at within a moment.
const maxKept = 200

func newKept[T any](life time.Duration) *kept[T] {
	return &kept[T]{life: life, byID: map[int64]keptFigures[T]{}}
}

// get reads anew, too, when the batch is in another state: what stands beside
// the figures then, such as the counts of a batch at its end, is of that state.
func (k *kept[T]) get(id int64, state string, now time.Time, read func() (T, error)) (T, error) {
	k.mu.Lock()
	have, ok := k.byID[id]
	k.mu.Unlock()
	if ok && have.state == state && now.Sub(have.at) < k.life {
		return have.figures, nil
	}
	figures, err := read()
	if err != nil {
		return figures, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.byID) >= maxKept {
		clear(k.byID)
	}
	k.byID[id] = keptFigures[T]{at: now, state: state, figures: figures}
	return figures, nil
}

// forget has the next look read anew: something was changed.
func (k *kept[T]) forget(id int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
}
