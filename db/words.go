package db

// The words that the tables store and the commands show. SQL text writes them
// as literals; Go code uses the constants below.

// RowStatus is the state of one row. It starts as pending, is sending while its
// call is in flight, and ends in one of the others.
type RowStatus string

// The row statuses.
const (
	RowPending    RowStatus = "pending"
	RowSending    RowStatus = "sending"
	RowSucceeded  RowStatus = "succeeded"  // the API confirmed the new values
	RowFailed     RowStatus = "failed"     // the API refused them, or answered badly too often
	RowSuperseded RowStatus = "superseded" // a newer row of the same target takes its place
	RowUnchanged  RowStatus = "unchanged"  // the target already had the values
	RowConflict   RowStatus = "conflict"   // somebody else changed the target
	RowCancelled  RowStatus = "cancelled"  // a person ended it before it was sent
	RowInvalid    RowStatus = "invalid"    // the source's row was refused
)

// Open reports whether the row may still be sent.
func (s RowStatus) Open() bool { return s == RowPending || s == RowSending }

// Final reports whether the row has ended. Only a retry opens it again.
func (s RowStatus) Final() bool { return s != "" && !s.Open() }

// Bad reports whether something went wrong that a person should look at. A
// cancelled row is not bad: somebody wanted it so.
func (s RowStatus) Bad() bool { return s == RowFailed || s == RowConflict || s == RowInvalid }

// Statuses lists all row statuses in the order of a row's life.
func Statuses() []RowStatus {
	return []RowStatus{
		RowPending, RowSending, RowSucceeded, RowFailed, RowSuperseded, RowUnchanged, RowConflict, RowCancelled, RowInvalid,
	}
}

// Bad lists the statuses for which RowStatus.Bad is true.
func Bad() []RowStatus { return []RowStatus{RowFailed, RowConflict, RowInvalid} }

// Retryable lists the statuses that a retry takes unless the caller names others.
func Retryable() []RowStatus { return []RowStatus{RowFailed, RowConflict, RowCancelled} }

// MayRetry lists all statuses that a retry can take. A superseded row has a newer
// one in its place, so it is sent again only if that one was cancelled unsent.
func MayRetry() []RowStatus { return append(Retryable(), RowSuperseded) }

// Cancellable lists the statuses that a cancel can take.
func Cancellable() []RowStatus { return []RowStatus{RowPending, RowSending} }

// BatchStatus is the state of a batch.
type BatchStatus string

// The batch statuses.
const (
	BatchLoading   BatchStatus = "loading" // only seen inside the load's own transaction
	BatchPlanned   BatchStatus = "planned" // stored, and not accepted yet
	BatchActive    BatchStatus = "active"
	BatchPaused    BatchStatus = "paused"
	BatchCancelled BatchStatus = "cancelled"
	BatchDone      BatchStatus = "done"
)

// Open reports whether the batch was accepted and has not ended.
func (s BatchStatus) Open() bool { return s == BatchActive || s == BatchPaused }

// Outcome is what one HTTP call came to.
type Outcome string

// The outcomes.
const (
	OutcomeSucceeded   Outcome = "succeeded"
	OutcomeFailed      Outcome = "failed"       // for good
	OutcomeRetry       Outcome = "retry"        // it failed, and the row is sent again
	OutcomeRateLimited Outcome = "rate_limited" // 429: the lane waits
	OutcomeParked      Outcome = "parked"       // 401 or 403: the site waits for a new token
	OutcomeInterrupted Outcome = "interrupted"  // the process stopped before the answer came
)

// Words converts a list of words for flags and messages.
func Words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

// RowStatuses converts words that a user gave. The check of a filter refuses unknown ones.
func RowStatuses(words []string) []RowStatus {
	out := make([]RowStatus, len(words))
	for i, w := range words {
		out[i] = RowStatus(w)
	}
	return out
}
