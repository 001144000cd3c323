package cli

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"

	"relabel/internal/text"
	"relabel/internal/webflow"
)

// newLogger writes lines of text or JSON to w. Tokens print as [redacted]: as attributes because
// webflow.Token is a LogValuer, and inside texts because secretHandler replaces them (a
// proxy may echo a header).
func newLogger(w io.Writer, level slog.Level, asJSON bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var lines slog.Handler = slog.NewTextHandler(w, options)
	if asJSON {
		lines = slog.NewJSONHandler(w, options)
	}
	return slog.New(&secretHandler{Handler: lines, tokens: &tokenList{}})
}

// tokenList is shared by all handlers derived from one. It has each token once.
type tokenList struct {
	mu    sync.RWMutex
	known []webflow.Token
}

// secretHandler redacts the known tokens from messages and string attributes.
type secretHandler struct {
	slog.Handler
	tokens *tokenList
}

// Handle implements slog.Handler.
func (h *secretHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.redact(r.Message), r.PC)
	r.Attrs(func(at slog.Attr) bool {
		clean.AddAttrs(h.attr(at))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h *secretHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i := range attrs {
		attrs[i] = h.attr(attrs[i])
	}
	return &secretHandler{h.Handler.WithAttrs(attrs), h.tokens}
}

// WithGroup implements slog.Handler.
func (h *secretHandler) WithGroup(name string) slog.Handler {
	return &secretHandler{h.Handler.WithGroup(name), h.tokens}
}

func (h *secretHandler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		group := v.Group()
		out := make([]slog.Attr, len(group))
		for i, g := range group {
			out[i] = h.attr(g)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(out...)}
	case slog.KindString:
		return slog.String(a.Key, h.redact(v.String()))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.String(a.Key, h.redact(text.OneLine(err.Error())))
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

func (h *secretHandler) redact(s string) string {
	h.tokens.mu.RLock()
	defer h.tokens.mu.RUnlock()
	for _, t := range h.tokens.known {
		s = t.Redact(s)
	}
	return s
}

// protect makes the log redact a token from now on. Call it before the token is used.
func protect(log *slog.Logger, t webflow.Token) {
	h, ok := log.Handler().(*secretHandler)
	if !ok {
		return
	}
	h.tokens.mu.Lock()
	defer h.tokens.mu.Unlock()
	same := func(k webflow.Token) bool { return k.Fingerprint() == t.Fingerprint() }
	if !slices.ContainsFunc(h.tokens.known, same) {
		h.tokens.known = append(h.tokens.known, t)
	}
}
