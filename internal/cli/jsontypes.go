package cli

import (
	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// The types that commands print with --json, beside those of the packages that know more
// of them. docs/json-schema.json is made from them. One thing has one name in all: the
// number of rows is rows, an estimated end is ends_at, what does not apply is null. Fields
// with an older name stay for one version.

// problemJSON is a problem of a source.
type problemJSON struct {
	Line    int64   `json:"line"`
	Column  *string `json:"column"` // null: the whole row
	Value   *string `json:"value"`
	Message string  `json:"message"`
}

func newProblemJSON(p intake.Problem) problemJSON {
	return problemJSON{p.Line, text.NilIfEmpty(p.Column), text.NilIfEmpty(p.Value), p.Message}
}

type batchesJSON struct {
	Batches []report.Batch `json:"batches"`
}

// retriedJSON is what came of `batch retry`.
type retriedJSON struct {
	Batch int64 `json:"batch"`
	db.Retried
}

// rowsJSON is a page of rows.
type rowsJSON struct {
	List       []records.Row `json:"rows"`        // jobs is its older name
	NextCursor *string       `json:"next_cursor"` // null: this is the last page. next is its older name
	records.RowPage
}

func newRowsJSON(p records.RowPage) rowsJSON {
	return rowsJSON{p.Rows, text.NilIfEmpty(p.Next), p}
}

type causesJSON struct {
	Causes   []causeJSON `json:"causes"`
	Complete bool        `json:"complete"`
	Looked   int64       `json:"looked"`
	Of       int64       `json:"of"`
}

type causeJSON struct {
	records.Cause
	AssetID *string `json:"example_asset_id"` // null: the row has none that can be read
}

func newCausesJSON(c records.Causes) causesJSON {
	out := causesJSON{[]causeJSON{}, c.Complete, c.Looked, c.Of}
	for _, cause := range c.Causes {
		out.Causes = append(out.Causes, causeJSON{cause, text.NilIfEmpty(cause.AssetID)})
	}
	return out
}

type storyJSON struct {
	report.Story
	Events []eventJSON `json:"events"`
}

// eventJSON is an event of a story. One about the asset is of no row.
type eventJSON struct {
	report.StoryEvent
	RenameID  *int64      `json:"rename_id"`
	Batch     *int64      `json:"batch"`
	Line      *int64      `json:"line"`
	Outcome   *db.Outcome `json:"outcome"` // of a call
	ProcessID *string     `json:"process_id"`
}

func newStoryJSON(s report.Story) storyJSON {
	out := storyJSON{s, []eventJSON{}}
	for _, e := range s.Events {
		v := eventJSON{StoryEvent: e, ProcessID: text.NilIfEmpty(e.ProcessID)}
		if e.RenameID != 0 {
			v.RenameID, v.Batch, v.Line = &e.RenameID, &e.Batch, &e.Line
		}
		if e.Outcome != "" {
			v.Outcome = &e.Outcome
		}
		out.Events = append(out.Events, v)
	}
	return out
}

type sitesJSON struct {
	Sites []siteView `json:"sites"`
}

type siteCheckJSON struct {
	Site   string `json:"site"`
	Token  string `json:"token"`
	Detail string `json:"detail"`
}

type schedulesJSON struct {
	Schedules []scheduleView `json:"schedules"`
}

type scheduleShowJSON struct {
	scheduleView
	Runs []runView `json:"runs"`
}

type historyJSON struct {
	Schedule string                  `json:"schedule"`
	State    string                  `json:"state"`
	Runs     []runView               `json:"runs"`
	Notices  []scheduledb.SentNotice `json:"notices"`
}

type removedJSON struct {
	Removed string `json:"removed"`
}

// runView is a run of a schedule with derived values, and with the names that the rows of
// batches have.
type runView struct {
	scheduledRun
	Succeeded int64   `json:"succeeded"` // renamed is its older name
	Conflict  int64   `json:"conflict"`  // conflicts is its older name
	CallsUsed int64   `json:"calls"`
	Seconds   float64 `json:"duration_seconds"`
}

type scheduledRun = scheduledb.Run // so that its field Run, the number, is not hidden

func newRunView(r scheduledb.Run) runView {
	return runView{r, r.Renamed, r.Conflicts, r.Calls(), r.Duration().Seconds()}
}

func runViews(runs []scheduledb.Run) []runView {
	out := make([]runView, len(runs))
	for i, r := range runs {
		out[i] = newRunView(r)
	}
	return out
}

type findingsJSON struct {
	Findings []finding `json:"findings"`
}

type versionJSON struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"` // missing in a program built without Git
	Date    string `json:"date,omitempty"`   // of the commit
}

type runningJSON struct {
	Running bool `json:"running"`
}

type urlJSON struct {
	URL string `json:"url"`
}
