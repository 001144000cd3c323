package scheduledb

// RunStatus is the state of one run of a schedule.
type RunStatus string

// The run statuses.
const (
	RunWaiting   RunStatus = "waiting" // for an earlier run to end
	RunReading   RunStatus = "reading" // loading the source and comparing it with the site
	RunHeld      RunStatus = "held"    // it would change more than allowed; its plan waits for a person
	RunSending   RunStatus = "sending" // its batch is active
	RunDone      RunStatus = "done"
	RunFailed    RunStatus = "failed"
	RunCancelled RunStatus = "cancelled"
	RunSkipped   RunStatus = "skipped" // an earlier run was still under way
	RunMissed    RunStatus = "missed"  // no worker was running when it was due
)

// HasResult reports whether a run did or does something: it was neither skipped nor
// missed.
func (s RunStatus) HasResult() bool { return s != RunSkipped && s != RunMissed }
