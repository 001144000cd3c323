package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
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

	// maxStreams bounds the open streams. Pages beyond it show the figures of when
	// they were loaded.
	maxStreams = 500

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

	mu      sync.Mutex
	topics  map[string]*topic
	streams int
	ended   bool
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
	if h.streams >= maxStreams || h.ended {
		return nil, nil, false
	}
	t := h.topics[name]
	if t == nil {
		t = &topic{render: render, subs: map[chan []byte]struct{}{}}
		h.topics[name] = t
	}
	sub := make(chan []byte, 1)
	t.subs[sub] = struct{}{}
	h.streams++
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
	h.streams--
	if len(t.subs) == 0 {
		delete(h.topics, name)
	}
}

// run reads the topics that have subscribers, until ctx ends.
func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			h.end()
			return
		case <-tick.C:
			for name, t := range h.wanted() {
				text, err := t.read(ctx)
				if err != nil {
					if ctx.Err() == nil {
						h.log.Warn("the dashboard's figures could not be read", "topic", name, "error", err)
					}
					continue
				}
				h.publish(t, text)
			}
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

// live streams a topic as server-sent events. Each event is the "live" part of
// the page.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("topic")
	may := current(r).may(RoleChange)
	render, ok := s.topic(name, may)
	if !ok {
		http.NotFound(w, r)
		return
	}
	sub, leave, ok := s.hub.subscribe(fmt.Sprint(name, " ", may), render)
	if !ok {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // a stream has no time limit
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for proxies
	s.stream(r.Context(), w, out, sub)
}

func (s *Server) stream(ctx context.Context, w http.ResponseWriter, out *http.ResponseController, sub <-chan []byte) {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	next := []byte("retry: 3000\n\n") // ms until a browser reconnects
	for {
		_ = out.SetWriteDeadline(time.Now().Add(sendWithin))
		if _, err := w.Write(next); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case text, ok := <-sub:
			if !ok {
				return
			}
			next = event(text)
		case <-alive.C:
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

// topic returns the function that renders a topic.
func (s *Server) topic(name string, may bool) (func(context.Context) ([]byte, error), bool) {
	kind, arg, _ := strings.Cut(name, "/")
	id, _ := strconv.ParseInt(arg, 10, 64)
	read := map[string]func(context.Context) (page, error){
		"overview":  s.overview,
		"batches":   s.batches,
		"schedules": s.schedules,
		"schedule":  func(ctx context.Context) (page, error) { return s.history(ctx, arg) },
		"batch":     func(ctx context.Context) (page, error) { return s.batchFigures(ctx, id) },
	}[kind]
	if read == nil {
		return nil, false
	}
	return func(ctx context.Context) ([]byte, error) {
		p, err := read(ctx)
		if err != nil {
			return nil, err
		}
		p.May = may
		var buf bytes.Buffer
		if err := s.pages[kind].ExecuteTemplate(&buf, "live", p); err != nil {
			return nil, fmt.Errorf("error rendering %s: %w", name, err)
		}
		return shown(buf.Bytes()), nil
	}, true
}
