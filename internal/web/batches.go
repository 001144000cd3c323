package web

import (
	"context"
	"net/http"
	"time"

	"relabel/internal/report"
)

// listedBatches is how many batches the page lists.
const listedBatches = 200

type batchesFigures struct {
	Now  time.Time
	List []report.Batch
	Say  string
}

func (s *Server) batchesPage(w http.ResponseWriter, r *http.Request) {
	p, err := s.batches(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "batches", p)
}

func (s *Server) batches(ctx context.Context) (page, error) {
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return page{}, err
	}
	list, err := report.Batches(ctx, s.cfg.DB, "", listedBatches)
	if err != nil {
		return page{}, err
	}
	return page{Title: "Batches", Nav: "batches", Topic: "batches", Figures: batchesFigures{Now: now, List: list}}, nil
}
