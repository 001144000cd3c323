package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// liveEvery is how often the figures of open pages are read, once for all readers
	// of a page.
	liveEvery = time.Second

	// aliveEvery keeps proxies from closing an idle stream.
	aliveEvery = 15 * time.Second

	// readWithin bounds one reading of a topic. After that the database connection is
	// dead, and the next reading takes another one.
	readWithin = 15 * time.Second

	// sendWithin bounds how long a browser may take to receive figures.
	sendWithin = 30 * time.Second
)

// hub reads and renders the figures of each topic once, and sends them to all its
// subscribers.
type hub struct {
	log *slog.Logger

	mu     sync.Mutex
	topics map[string]*topic
	ended  bool
}

type topic struct {
	render func(context.Context) ([]byte, error)
	last   []byte
	subs   map[chan []byte]struct{}
}

func newHub(log *slog.Logger) *hub { return &hub{log: log, topics: map[string]*topic{}} }

func (t *topic) read(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	return t.render(ctx)
}

// subscribe returns a channel of a topic's newest figures; a slow reader misses
// some. The channel is closed when the dashboard stops.
func (h *hub) subscribe(name string, render func(context.Context) ([]byte, error)) (<-chan []byte, func(), bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, nil, false
	}
	t := h.topics[name]
	if t == nil {
		t = &topic{render: render, subs: map[chan []byte]struct{}{}}
		h.topics[name] = t
	}
	sub := make(chan []byte, 1)
	t.subs[sub] = struct{}{}
	if t.last != nil {
		sub <- t.last
	}
	return sub, func() { h.leave(name, sub) }, true
}

func (h *hub) leave(name string, sub chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		return
	}
	delete(t.subs, sub)
	if len(t.subs) == 0 {
		delete(h.topics, name)
	}
}

// run reads the topics that have subscribers, until ctx ends.
func (h *hub) run(ctx context.Context) {
	next := time.NewTimer(liveEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			h.end()
			return
		case <-next.C:
			begun := time.Now()
			h.turn(ctx)
			took := time.Since(begun)
			next.Reset(max(liveEvery-took, took)) // many topics take at most half of the time
		}
	}
}

// turn reads all topics that have subscribers.
func (h *hub) turn(ctx context.Context) {
	for name, t := range h.wanted() {
		text, err := t.read(ctx)
		switch {
		case err == nil:
			h.publish(t, text)
		case ctx.Err() == nil:
			h.log.Warn("the dashboard's figures could not be read", "topic", name, "error", err)
		}
	}
}

func (h *hub) wanted() map[string]*topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.topics)
}

func (h *hub) publish(t *topic, text []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.Equal(t.last, text) || h.ended {
		return
	}
	t.last = text
	for sub := range t.subs {
		select {
		case <-sub: // drop older figures that were not read
		default:
		}
		sub <- text
	}
}

func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, t := range h.topics {
		for sub := range t.subs {
			close(sub)
		}
	}
	h.topics = map[string]*topic{}
}

// streamAllowance is how many streams are open at once. Pages beyond it show the figures
// of when they were loaded. A browser opens at most 6 over plain HTTP.
func streamAllowance() allowance { return allowance{all: 500, look: 400, each: 20, eachLook: 20} }

// live streams a topic as server-sent events. Each event is the "live" part of
// the page.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	name, who := r.PathValue("topic"), current(r)
	release, ok := s.streams.take(who)
	if !ok {
		http.Error(w, "too many pages are open: close some, then load this one again", http.StatusServiceUnavailable)
		return
	}
	defer release()
	read := s.topic(r.Context(), name)
	if read == nil {
		http.NotFound(w, r)
		return
	}
	may := who.may(RoleChange)
	sub, leave, ok := s.hub.subscribe(fmt.Sprint(name, " ", may), s.liveOf(read, may))
	if !ok {
		http.Error(w, "the dashboard is stopping", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // a stream has no time limit
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for proxies
	s.stream(r, w, out, sub)
}

func (s *Server) stream(r *http.Request, w http.ResponseWriter, out *http.ResponseController, sub <-chan []byte) {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	next := []byte("retry: 3000\n\n") // ms until a browser reconnects
	for {
		_ = out.SetWriteDeadline(time.Now().Add(sendWithin))
		if _, err := w.Write(next); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case text, ok := <-sub:
			if !ok {
				return
			}
			next = event(text)
		case <-alive.C:
			s.sessions.use(current(r))
			next = []byte(": alive\n\n")
		}
	}
}

// event formats a text as one server-sent event. CR, LF and CRLF all end a line
// there, so a CR in a name would otherwise begin a field or an event of its own.
func event(text []byte) []byte {
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(bytes.TrimSpace(text)))
	return []byte("data: " + strings.ReplaceAll(lines, "\n", "\ndata: ") + "\n\n")
}
