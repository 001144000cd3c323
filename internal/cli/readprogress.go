package cli

import "time"

// readProgress shows how far a reading of the site is.
type readProgress struct {
	reporter
}

func (a *app) newReadProgress() readProgress { return readProgress{a.newReporter()} }

func (r readProgress) show(calls, total int) {
	r.reporter.show(picture{
		now:  time.Now(),
		bars: []progress{{label: "reading the site", done: int64(calls), total: int64(total), unit: "calls"}},
	})
}
