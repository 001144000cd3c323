package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/usecase"
)

const batchesPath = Prefix + "/batches"

// BatchInput names a batch. huma reads embedded types only if their names are exported.
type BatchInput struct {
	Batch int64 `path:"batch" minimum:"1" doc:"the batch's number"`
}

type batchQuery struct {
	BatchInput
	IfNoneMatch
}

type batchesQuery struct {
	Site   string `query:"site" doc:"only batches of this site" maxLength:"100"`
	Before int64  `query:"before" minimum:"0" doc:"only batches before this one: the next page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type retryInput struct {
	BatchInput
	Statuses []string `query:"status" enum:"failed,conflict,cancelled,superseded" doc:"rows of these statuses; default: failed, conflict and cancelled"`
	Error    string   `query:"error" maxLength:"1000" doc:"only rows whose error holds this text"`
}

func (s *Server) registerBatches() {
	register(s, huma.Operation{
		OperationID: "list-batches", Method: http.MethodGet, Path: batchesPath, Summary: "List the newest batches",
	}, s.batches)
	register(s, huma.Operation{
		OperationID: "show-batch", Method: http.MethodGet, Path: batchesPath + "/{batch}", Summary: "Show a batch: its rows by status, and when it ends",
		Responses: notModified(),
	}, s.batch)
	for _, one := range []struct {
		name, summary string
		change        func(context.Context, usecase.Actor, int64) error
	}{
		{"pause", "Send nothing more of a batch until it is resumed", s.cfg.Use.Pause},
		{"resume", "Resume a paused batch", s.cfg.Use.Resume},
		{"cancel", "Cancel the rows of a batch that are not sent yet; discard a plan", s.cancel},
	} {
		register(s, huma.Operation{
			OperationID: one.name + "-batch", Method: http.MethodPost, Path: batchesPath + "/{batch}/" + one.name, Summary: one.summary,
		}, s.changeBatch(one.change))
	}
	register(s, huma.Operation{
		OperationID: "retry-batch", Method: http.MethodPost, Path: batchesPath + "/{batch}/retry", Summary: "Send failed, conflicting and cancelled rows again",
	}, s.retry)
	register(s, huma.Operation{
		OperationID: "verify-batch", Method: http.MethodPost, Path: batchesPath + "/{batch}/verify", Summary: "Read the site, and compare it with the rows that succeeded",
		Description: "It answers when the site was read, which takes a call for each 100 assets.",
	}, s.verify)
}

func (s *Server) batches(ctx context.Context, in *batchesQuery) (*ok[report.BatchList], error) {
	site, err := s.listedSite(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	list, err := report.FindBatches(ctx, s.cfg.DB, records.BatchFilter{Site: site, Before: in.Before, Limit: in.Limit})
	return &ok[report.BatchList]{report.BatchList{Batches: list}}, err
}

// read reads a batch of a site that the caller may see. For one of another site the answer
// is the same as for one that does not exist.
func (s *Server) read(ctx context.Context, id int64) (report.Batch, error) {
	b, err := report.ReadBatch(ctx, s.cfg.DB, id)
	if t := callerOf(ctx); err == nil && t.Site != nil && *t.Site != b.Site {
		return report.Batch{}, db.NoBatchError(id)
	}
	return b, err
}

func (s *Server) batch(ctx context.Context, in *batchQuery) (*tagged[report.Batch], error) {
	b, err := s.read(ctx, in.Batch)
	if err != nil {
		return nil, err
	}
	return tag(b, in.IfNoneMatch)
}

// changeBatch runs a change to its end, even if the client leaves, and answers with the
// batch.
func (s *Server) changeBatch(change func(context.Context, usecase.Actor, int64) error) func(context.Context, *BatchInput) (*ok[report.Batch], error) {
	return func(ctx context.Context, in *BatchInput) (*ok[report.Batch], error) {
		ctx, cancel := s.cfg.With(ctx)
		defer cancel()
		if _, err := s.read(ctx, in.Batch); err != nil {
			return nil, err
		}
		if err := change(ctx, actor(ctx), in.Batch); err != nil {
			return nil, err
		}
		b, err := s.read(ctx, in.Batch)
		return &ok[report.Batch]{b}, err
	}
}

func (s *Server) cancel(ctx context.Context, by usecase.Actor, id int64) error {
	_, err := s.cfg.Use.Cancel(ctx, by, id)
	return err
}

func (s *Server) retry(ctx context.Context, in *retryInput) (*ok[report.RetriedBatch], error) {
	ctx, cancel := s.cfg.With(ctx)
	defer cancel()
	if _, err := s.read(ctx, in.Batch); err != nil {
		return nil, err
	}
	f := records.RowFilter{Batch: in.Batch, Statuses: db.RowStatuses(in.Statuses), Error: in.Error}
	if len(f.Statuses) == 0 {
		f.Statuses = db.Retryable()
	}
	got, err := s.cfg.Use.RetryBatch(ctx, actor(ctx), f, choice(in))
	return &ok[report.RetriedBatch]{report.RetriedBatch{Batch: in.Batch, Retried: got}}, err
}

func (s *Server) verify(ctx context.Context, in *BatchInput) (*ok[usecase.Verified], error) {
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := s.read(ctx, in.Batch); err != nil {
		return nil, err
	}
	v, err := s.cfg.Use.Verify(ctx, in.Batch, noProgress())
	return &ok[usecase.Verified]{v}, err
}
