package jobs

import (
	"math/rand/v2"
	"net/http"
	"time"

	"relabel/db"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
)

// ReadVerdict is what the answer to a read means. The rules are those for renames.
type ReadVerdict struct {
	Retry   bool          // make the same call again
	Delay   time.Duration // before that
	Failure bool          // counts as a failed try; a 429 does not
	Block   time.Duration // stops the lane, in every process
	Outcome db.Outcome
}

// JudgeRead decides what the answer to a read means, after some failed tries.
func JudgeRead(err error, failures int) ReadVerdict {
	o := decide(err, failures, rand.Float64())
	return ReadVerdict{Retry: o.Status == db.RowPending && o.Park == "", Delay: o.Delay, Failure: o.Failure, Block: o.Block, Outcome: o.Name}
}

// ObserveLimit records in the lane what an answer's headers said of the rate limit. Settle
// the call's grant first: until then the lane counts that call twice.
func ObserveLimit(lane *throttle.Lane, meta webflow.Meta) {
	if r := meta.RateLimit; r.HasLimit && r.HasRemaining {
		lane.Observe(throttle.Headers{
			Limit: r.Limit, Remaining: r.Remaining, SentAt: meta.SentAt, Refused: meta.Status == http.StatusTooManyRequests,
		})
	}
}
