package records

// EventKind says what kind of event made rows wait, or let them go on.
type EventKind string

// The event kinds.
const (
	EventBatchPaused    EventKind = "batch paused"
	EventBatchResumed   EventKind = "batch resumed"
	EventBatchCancelled EventKind = "batch cancelled"
	EventSitePaused     EventKind = "site paused"
	EventSiteResumed    EventKind = "site resumed"
	EventSiteParked     EventKind = "site parked"
	EventSiteUnparked   EventKind = "site unparked"
	EventBreakerOpened  EventKind = "breaker opened"
	EventBreakerClosed  EventKind = "breaker closed"
	EventLaneStopped    EventKind = "lane stopped"

	// EventCallUnknown is not stored as an event: Story derives it from another
	// row of the target whose call had no clear outcome.
	EventCallUnknown EventKind = "call unknown"
)
