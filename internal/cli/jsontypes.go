package cli

import (
	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule"
	"relabel/internal/text"
)

// The types that commands print with --json, beside those of the packages that know more
// of them (report/jsontypes.go, schedule/view.go). docs/json-schema.json is made from them. One thing has one name in all: the
// number of rows is rows, an estimated end is ends_at, what does not apply is null. Fields
// with an older name stay for one version.

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

type siteCheckJSON struct {
	Site   string `json:"site"`
	Token  string `json:"token"`
	Detail string `json:"detail"`
}

type scheduleShowJSON struct {
	schedule.View
	Runs []schedule.RunView `json:"runs"`
}

type removedJSON struct {
	Removed string `json:"removed"`
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
