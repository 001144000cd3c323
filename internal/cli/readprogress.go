package cli

import (
	"time"

	"relabel/internal/terminal"
)

// newView makes what shows a command's progress on standard error.
func (a *app) newView() terminal.View {
	term, _ := a.LookupEnv("TERM")
	return terminal.NewView(terminal.ViewConfig{Screen: a.screen, Quiet: a.quiet, Dumb: term == "dumb"})
}

// readProgress shows how far a read of the site is.
type readProgress struct {
	terminal.View
}

func (a *app) newReadProgress() readProgress { return readProgress{a.newView()} }

func (r readProgress) show(calls, total int) {
	r.Show(terminal.Frame{
		At:   time.Now(),
		Bars: []terminal.Progress{{Label: "reading the site", Done: int64(calls), Total: int64(total), Unit: "calls"}},
	})
}
