// Package plan owns looking before and after: it reads what a site holds, page by
// page through the throttle, compares a planned batch with it, and says what a plan
// would do. An undo is a plan of the values before, a verification a look after.
package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// MaxAge is how old a comparison may be when its plan is applied: an older one is
// made again first.
const MaxAge = 15 * time.Minute

// Planner compares planned batches of one site with what the site holds.
type Planner struct {
	DB       *db.DB
	Reader   *jobs.Reader
	Progress func(calls, total int) // of one reading; nil: nobody looks
	Notice   func(text string)      // what a person should know of a reading; nil: nobody looks

	// Resume goes on with a reading that was cut short, and Checkpoint is told how
	// far one is, to go on from later. Both may be nil.
	Resume     *Pass
	Checkpoint func(context.Context, Pass) error
}

// Compare reads the state of the targets of a planned batch, in the cheaper way,
// and gives each row its value before and its status: what is still pending is
// what the plan will send. takeOver makes no conflict of what somebody changed.
//
// It costs a call for 100 assets of the site and locale, or one for each target
// where that is less.
func (p *Planner) Compare(ctx context.Context, batchID int64, takeOver bool) error {
	looked, err := p.Look(ctx, batchID)
	if err != nil {
		return err
	}
	return p.DB.Compare(ctx, db.CompareParams{
		BatchID: batchID, Since: looked.Since, ReadBy: looked.By, Reads: looked.Reads, TakeOver: takeOver,
	})
}

// AcceptParams make a plan an ordinary batch.
type AcceptParams struct {
	DB       *db.DB
	Client   *jobs.Client // to queue its first renames with
	Site     db.Site
	BatchID  int64
	Replaces int64 // the batch whose open rows it takes the place of; 0: none
}

// Accept puts a plan into its site's order and queues it. One whose comparison is
// older than MaxAge should be compared again first.
func Accept(ctx context.Context, p AcceptParams) error {
	return p.DB.Apply(ctx, db.ApplyParams{
		BatchID: p.BatchID, Replaces: p.Replaces,
		Queue: func(ctx context.Context, tx pgx.Tx) error {
			_, err := jobs.Feed(ctx, tx, p.Client, p.Site, jobs.DefaultWindow)
			return err
		},
	})
}

// ErrMayNotRead says that the token has no right to read assets.
var ErrMayNotRead = errors.New("the token may not read assets (403): give it the scope assets:read")

// ErrNoSite says that the API does not know the site's id, or that nobody has
// said which it is.
var ErrNoSite = errors.New("no such site at Webflow")

// explain says of a failed read what it is for, and what to do.
func (r *reading) explain(what string, err error) error {
	var e *webflow.Error
	switch {
	case !errors.As(err, &e):
	case e.Kind == webflow.KindForbidden:
		return fmt.Errorf("error %s: %w", what, ErrMayNotRead)
	case e.Kind == webflow.KindNotFound:
		return fmt.Errorf("error %s: %w with the id %s, or not for this token; %s sets it", what, ErrNoSite, r.siteID, r.setSiteID())
	}
	return fmt.Errorf("error %s: %w", what, err)
}
