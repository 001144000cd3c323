package api

import (
	"context"
	"net/http"
	"time"
)

const (
	// keyWait is how long a load waits for an earlier one with the same key.
	keyWait = time.Minute

	// keyRetry is how soon a client may send its load again.
	keyRetry = 10 * time.Second
)

// tokenKey is an Idempotency-Key: each token has keys of its own.
type tokenKey struct {
	token int
	key   string
}

// lockKey waits for earlier loads with the key to end in this process. No load may be
// answered with the batch of one that still reads the site: if that fails, or the server
// is killed, the client would wait for ever for a batch that is gone or never queued.
func (s *Server) lockKey(ctx context.Context, key string) (unlock func(), err error) {
	if key == "" {
		return func() {}, nil
	}
	k := tokenKey{callerOf(ctx).ID, key}
	late := time.NewTimer(keyWait)
	defer late.Stop()
	for {
		earlier, unlock := s.tryKey(k)
		if unlock != nil {
			return unlock, nil
		}
		select {
		case <-earlier:
		case <-late.C:
			return nil, newProblem(http.StatusServiceUnavailable, "an earlier request with this Idempotency-Key still reads the site: send the same again").after(keyRetry)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryKey takes a key, or returns what is closed at the end of the load that has it.
func (s *Server) tryKey(k tokenKey) (earlier <-chan struct{}, unlock func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if busy, ok := s.keys[k]; ok {
		return busy, nil
	}
	done := make(chan struct{})
	s.keys[k] = done
	return nil, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.keys, k)
		close(done)
	}
}
