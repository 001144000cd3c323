package web

import (
	"sync"
	"time"
)

// cache holds a batch's expensive figures for a moment, so that their cost does
// not grow with the number of readers. Two requests may read the same figures at
// once: that is cheaper than making one wait for the other.
type cache[T any] struct {
	life time.Duration

	mu   sync.Mutex
	byID map[int64]cacheEntry[T]
}

type cacheEntry[T any] struct {
	at    time.Time
	state string
	value T
}

// maxCached is more than people look at within the life of an entry.
const maxCached = 200

func newCache[T any](life time.Duration) *cache[T] {
	return &cache[T]{life: life, byID: map[int64]cacheEntry[T]{}}
}

// get returns the batch's value, and reads it again when it is too old or the
// batch's state has changed: the page then shows counts of the new state, and
// the value must match them.
func (c *cache[T]) get(id int64, state string, now time.Time, read func() (T, error)) (T, error) {
	c.mu.Lock()
	have, ok := c.byID[id]
	c.mu.Unlock()
	if ok && have.state == state && now.Sub(have.at) < c.life {
		return have.value, nil
	}
	value, err := read()
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byID) >= maxCached {
		clear(c.byID)
	}
	c.byID[id] = cacheEntry[T]{at: now, state: state, value: value}
	return value, nil
}

// forget drops a batch's value after a change, so that the next get reads it.
func (c *cache[T]) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}
