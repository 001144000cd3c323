package db

// Hot statements, for the tests of their plans.
const (
	LockRenamesSQL = lockRenames
	ClaimSQL       = claimSQL
	FinishSQL      = finishSQL
	FeedSQL        = feedSQL
	PromoteSQL     = promoteSQL
	GrantSQL       = grantSQL
	ObserveSQL     = observeSQL
	OneBatchSQL    = batchStatusSQL + `WHERE b.id = @id`
	CancelOpenSQL  = cancelOpenSQL
	ThinSQL        = thinChunkSQL
)
