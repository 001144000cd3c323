package usecase

import (
	"context"

	"relabel/db"
	"relabel/internal/records"
)

// Pause sends nothing more of a batch until it is resumed.
func (s *Service) Pause(ctx context.Context, by Actor, batchID int64) error {
	return s.change(ctx, by, "pause", batchID, func(ctx context.Context) error {
		_, err := s.DB.PauseBatch(ctx, batchID, nil)
		return err
	})
}

// Resume continues a paused batch.
func (s *Service) Resume(ctx context.Context, by Actor, batchID int64) error {
	return s.change(ctx, by, "resume", batchID, func(ctx context.Context) error {
		_, err := s.DB.ResumeBatch(ctx, batchID)
		return err
	})
}

// Cancel ends what of a batch was not sent; a plan is discarded. It returns the rows
// of earlier batches for which now nothing is sent.
func (s *Service) Cancel(ctx context.Context, by Actor, batchID int64) ([]records.Stranded, error) {
	b, err := records.Batch(ctx, s.DB, batchID)
	if err != nil {
		return nil, err
	}
	if b.Status == db.BatchPlanned {
		return nil, s.Discard(ctx, by, batchID)
	}
	err = s.change(ctx, by, "cancel", batchID, func(ctx context.Context) error {
		_, err := s.DB.CancelBatch(ctx, batchID, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	return records.StrandedBy(ctx, s.DB, batchID)
}

func (s *Service) change(ctx context.Context, by Actor, action string, batchID int64, act func(context.Context) error) error {
	return s.onBatch(ctx, by, action, batchID, func(ctx context.Context, b records.BatchProgress) (int64, error) {
		if err := sentBatch(b); err != nil {
			return -1, err
		}
		return b.Left(), act(ctx)
	})
}

// RetryBatch is RetryRows for one batch, which must exist.
func (s *Service) RetryBatch(ctx context.Context, by Actor, f records.RowFilter, choice string) (got db.Retried, err error) {
	if _, err := records.Batch(ctx, s.DB, f.Batch); err != nil {
		return got, err
	}
	return s.RetryRows(ctx, by, f, choice, nil)
}

// RetryRows makes all rows that match pending again. progress may be nil.
func (s *Service) RetryRows(ctx context.Context, by Actor, f records.RowFilter, choice string, progress func(db.Retried)) (got db.Retried, err error) {
	err = s.Record(ctx, by, records.AuditEntry{Action: "retry", Subject: subjectOf(f), Detail: choice}, func(ctx context.Context) (int64, error) {
		got, err = records.RetryRows(ctx, s.DB, f, progress)
		return got.Pending + got.Superseded, err
	})
	return got, err
}

// CancelRows ends all open rows that match. progress may be nil.
func (s *Service) CancelRows(ctx context.Context, by Actor, f records.RowFilter, choice string, progress func(db.Cancelled)) (got db.Cancelled, err error) {
	err = s.Record(ctx, by, records.AuditEntry{Action: "cancel", Subject: subjectOf(f), Detail: choice}, func(ctx context.Context) (int64, error) {
		got, err = records.CancelRows(ctx, s.DB, f, progress)
		return got.Cancelled + got.Sending, err
	})
	return got, err
}

// subjectOf is what a filter is about.
func subjectOf(f records.RowFilter) string {
	if f.Batch != 0 {
		return records.BatchSubject(f.Batch)
	}
	return "rows"
}
