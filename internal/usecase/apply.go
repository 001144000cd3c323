package usecase

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/failpoint"
	"relabel/internal/records"
	"relabel/internal/siteread"
	"relabel/internal/text"
)

// maxAge is how old a comparison may be when its plan is applied: an older one is
// made again first.
const maxAge = 15 * time.Minute

// ApplyParams say which plan to apply.
type ApplyParams struct {
	BatchID  int64
	TakeOver bool            // send also what somebody changed
	Reading  siteread.Params // of the site, where the plan is old
	Notify   []string        // more addresses that get notices about the batch
	AsShown  bool            // the actor has just seen the comparison: it is not made again
	Later    bool            // the actor does not wait for it: the audit log says that the site was read first

	Run *Run // whose plan it is; nil: a person applies it
}

// Run is the run of a schedule whose plan is applied: its two steps in the transaction.
// Its comparison is never made again here.
type Run struct {
	Lock    func(context.Context, pgx.Tx) error // the first step; an error when the run is lost
	Applied func(context.Context, pgx.Tx) error // the last step: from now on the run follows the batch
}

// ErrOld is a notice of what Apply does first.
var ErrOld = errors.New("the plan is older than " + text.Span(maxAge) + ": reading the site again")

// Fresh reports whether a plan can be applied without reading the site again.
func (s *Service) Fresh(ctx context.Context, batchID int64, takeOver bool) (bool, error) {
	st, err := s.DB.PlanState(ctx, batchID)
	return err == nil && !st.Stale(maxAge) && !takeOver, err
}

// Apply makes a plan an ordinary batch: it gets its place in the site's order and is
// queued. A plan that is old, or to take over what others changed, is compared with
// the site again first.
func (s *Service) Apply(ctx context.Context, by Actor, p ApplyParams) error {
	st, err := s.DB.PlanState(ctx, p.BatchID)
	if err != nil {
		return err
	}
	if stale := st.Stale(maxAge); p.Run == nil && !p.AsShown && (stale || p.TakeOver) {
		if !p.TakeOver {
			notice(p.Reading, ErrOld)
		}
		if err := s.compare(ctx, st.Site, p.BatchID, CompareParams{TakeOver: p.TakeOver, Params: p.Reading}); err != nil {
			return &NotDoneError{What: "nothing was applied", Err: err}
		}
	}
	action := "apply"
	if p.Later {
		action = "apply, after reading the site"
	}
	params := db.ApplyParams{BatchID: p.BatchID, Notify: p.Notify, Queue: s.queue(st.Site)}
	if p.Run != nil {
		params.Lock, params.Queue = p.Run.Lock, p.Run.appliedBefore(params.Queue)
	}
	return s.accept(ctx, by, records.AuditEntry{Action: action}, params)
}

func (r *Run) appliedBefore(queue func(context.Context, pgx.Tx) error) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		if err := r.Applied(ctx, tx); err != nil {
			return err
		}
		failpoint.Hit("run-applying")
		return queue(ctx, tx)
	}
}

// accept queues a plan as it is.
func (s *Service) accept(ctx context.Context, by Actor, e records.AuditEntry, p db.ApplyParams) error {
	e.Subject = records.BatchSubject(p.BatchID)
	return s.Record(ctx, by, e, func(ctx context.Context) (int64, error) {
		b, err := records.Batch(ctx, s.DB, p.BatchID)
		if err != nil {
			return -1, err
		}
		return b.Pending, s.DB.Apply(ctx, p)
	})
}

// Discard drops a plan.
func (s *Service) Discard(ctx context.Context, by Actor, batchID int64) error {
	return s.onBatch(ctx, by, "discard", batchID, func(ctx context.Context, b records.BatchProgress) (int64, error) {
		return b.Total, s.DB.Discard(ctx, batchID)
	})
}

func notice(p siteread.Params, err error) {
	if p.Notice != nil {
		p.Notice(err)
	}
}
