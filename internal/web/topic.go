package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
)

// readPage reads the figures of a page.
type readPage func(context.Context) (page, error)

// topic returns what reads the page of a topic, or nil if there is none. A topic has
// one name (batch/7, not batch/07), so that nobody makes the hub read it twice. If the
// database does not answer, the stream waits for it.
func (s *Server) topic(ctx context.Context, name string) readPage {
	kind, arg, _ := strings.Cut(name, "/")
	switch {
	case name == "overview":
		return s.overview
	case name == "batches":
		return s.batches
	case name == "schedules":
		return s.schedules
	case kind == "schedule":
		if _, err := scheduledb.ByName(ctx, s.cfg.DB, arg); !errors.Is(err, scheduledb.ErrNoSchedule) {
			return func(ctx context.Context) (page, error) { return s.history(ctx, arg, 1) }
		}
	case kind == "assets":
		if site, err := s.realSite(ctx, arg); err == nil {
			return func(ctx context.Context) (page, error) { return s.assetsFigures(ctx, site) }
		}
	case kind == "batch":
		id, _ := strconv.ParseInt(arg, 10, 64)
		if _, err := records.Batch(ctx, s.cfg.DB, id); batchPath(id) == "/"+name && !isNoBatch(err) {
			return func(ctx context.Context) (page, error) { return s.batchFigures(ctx, id) }
		}
	}
	return nil
}

// liveOf returns what renders the live part of a page.
func (s *Server) liveOf(read readPage, may bool) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		p, err := read(ctx)
		if err != nil {
			return nil, err
		}
		p.May = may
		kind, _, _ := strings.Cut(p.Topic, "/")
		var buf bytes.Buffer
		if err := s.pages[kind].ExecuteTemplate(&buf, "live", p); err != nil {
			return nil, fmt.Errorf("error rendering %s: %w", p.Topic, err)
		}
		return shown(buf.Bytes()), nil
	}
}
