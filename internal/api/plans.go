package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/usecase"
)

const plansPath = Prefix + "/plans"

// ErrReading means that the site is already being read for a plan.
var ErrReading = errors.New("the site is already being read for this plan: wait until that ends")

// readingWait is how soon a client may look again at a plan whose site is being read.
const readingWait = 2 * time.Second

type planOutput struct {
	Body usecase.Summary
}

type applyInput struct {
	BatchInput
	TakeOver bool `query:"take_over" doc:"send also what somebody changed since the plan"`
}

type applyOutput struct {
	Status int
	Body   report.Batch
}

func (s *Server) registerPlans() {
	register(s, huma.Operation{
		OperationID: "show-plan", Method: http.MethodGet, Path: batchesPath + "/{batch}/plan", Summary: "Show what a plan would change",
		Description: "While its site is being read the answer is 409 with Retry-After.",
	}, s.summary)
	register(s, huma.Operation{
		OperationID: "compare-plan", Method: http.MethodPost, Path: batchesPath + "/{batch}/compare", Summary: "Read the site again for a plan, in the background",
		DefaultStatus: http.StatusAccepted,
	}, s.changeBatch(s.cfg.Plans.Again))
	apply := huma.Operation{
		OperationID: "apply-plan", Method: http.MethodPost, Path: batchesPath + "/{batch}/apply", Summary: "Queue a plan",
		Description: "A plan that is older than 15 minutes is compared with its site again first: then the answer is 202, and the batch is applied in the background.",
	}
	register(s, apply, s.apply)
	responses := s.api.OpenAPI().Paths[apply.Path].Post.Responses
	responses["202"] = &huma.Response{Description: "The site is being read; then the plan is applied", Content: responses["200"].Content}
}

// notYet is the answer while a plan has no summary.
func (s *Server) notYet(b report.Batch) *Problem {
	r := s.cfg.Plans.Reading(b.Batch)
	again := fmt.Sprintf("POST %s/%d/compare reads it again", batchesPath, b.Batch)
	switch {
	case r == nil && b.PlannedAt == nil && b.Status == db.BatchPlanned:
		return newProblem(http.StatusConflict, fmt.Sprintf("the site was not read for plan %d; %s", b.Batch, again))
	case r == nil:
		return nil
	case r.Problem != "":
		return newProblem(http.StatusConflict, fmt.Sprintf("the site could not be read for plan %d: %s; %s", b.Batch, r.Problem, again))
	case r.Total > 0:
		return newProblem(http.StatusConflict, fmt.Sprintf("the site is being read for plan %d: %d of %d calls", b.Batch, r.Calls, r.Total)).after(readingWait)
	}
	return newProblem(http.StatusConflict, fmt.Sprintf("the site is being read for plan %d", b.Batch)).after(readingWait)
}

func (s *Server) summary(ctx context.Context, in *BatchInput) (*planOutput, error) {
	b, err := s.read(ctx, in.Batch)
	if err != nil {
		return nil, err
	}
	if wait := s.notYet(b); wait != nil {
		return nil, wait
	}
	sum, err := s.cfg.Use.Summarise(ctx, in.Batch)
	return &planOutput{sum}, err
}

func (s *Server) apply(ctx context.Context, in *applyInput) (*applyOutput, error) {
	ctx, cancel := s.cfg.With(ctx)
	defer cancel()
	if _, err := s.read(ctx, in.Batch); err != nil {
		return nil, err
	}
	later, err := s.cfg.Plans.Apply(ctx, actor(ctx), usecase.ApplyParams{BatchID: in.Batch, TakeOver: in.TakeOver})
	if err != nil {
		return nil, err
	}
	out := &applyOutput{Status: http.StatusOK}
	if later {
		out.Status = http.StatusAccepted
	}
	out.Body, err = s.read(ctx, in.Batch)
	return out, err
}
