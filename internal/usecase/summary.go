package usecase

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

// shownChanges is how many rows a plan shows as old and new.
const shownChanges = 10

// Summary is what a plan would do, as every command and page shows it.
type Summary struct {
	Batch            int64            `json:"batch"`
	Name             string           `json:"name"`
	Site             string           `json:"site"`
	Source           string           `json:"source"`
	Status           db.BatchStatus   `json:"status"`
	Rows             int64            `json:"rows"`
	Change           int64            `json:"change"`
	Unchanged        int64            `json:"unchanged"`
	Unknown          int64            `json:"unknown"` // assets that the site does not have
	Conflict         int64            `json:"conflict"`
	Invalid          int64            `json:"invalid"`
	Superseded       int64            `json:"superseded"` // rows whose target a later row of the source names again
	Calls            int64            `json:"calls"`
	Seconds          float64          `json:"seconds"` // at the limit in force, after what is queued already
	EndsAt           *time.Time       `json:"ends_at"` // nil without a limit
	ReadBy           *string          `json:"read_by"`
	Reads            int64            `json:"reads"`
	PlannedAt        *time.Time       `json:"planned_at"`
	Undoes           *int64           `json:"undoes"`
	LosesExtension   int64            `json:"loses_extension"`
	ChangesExtension int64            `json:"changes_extension"`
	ExtensionChange  *string          `json:"extension_change"` // the most frequent one
	Localized        int64            `json:"localized"`
	LocaleConflicts  int64            `json:"locale_conflicts"`
	Changes          []records.Change `json:"changes"` // the first ones
}

// Summarise reads what a planned batch would do. It reads the whole batch once.
func (s *Service) Summarise(ctx context.Context, batchID int64) (Summary, error) {
	d := s.DB
	st, err := d.PlanState(ctx, batchID)
	if err != nil {
		return Summary{}, err
	}
	b, err := records.Batch(ctx, d, batchID)
	if err != nil {
		return Summary{}, err
	}
	facts, err := records.Facts(ctx, d, batchID)
	if err != nil {
		return Summary{}, err
	}
	out := Summary{
		Batch: b.Batch, Name: b.Name, Site: b.Site, Source: b.Source, Status: b.Status, Rows: b.Total,
		Change: b.Pending, Unchanged: b.Unchanged, Unknown: b.Failed, Conflict: b.Conflict, Invalid: b.Invalid,
		Superseded: b.Superseded, Calls: b.Pending,
		ReadBy: facts.ReadBy, Reads: facts.Reads, PlannedAt: facts.PlannedAt, Undoes: facts.Undoes,
		LosesExtension: facts.LosesExtension, ChangesExtension: facts.ChangesExtension, ExtensionChange: facts.ExtensionChange,
		Localized: facts.Localized, LocaleConflicts: facts.LocaleConflicts,
	}
	if out.Changes, err = records.Changes(ctx, d, batchID, 0, shownChanges); err != nil {
		return Summary{}, err
	}
	out.Changes = out.Changes[:min(len(out.Changes), shownChanges)] // a line with several assets may exceed it
	return out, out.forecast(ctx, d, st.Site, b)
}

// forecast says when the plan's calls would be done, if it were applied now.
func (s *Summary) forecast(ctx context.Context, d *db.DB, site db.Site, b records.BatchProgress) error {
	load, err := records.Backlog(ctx, d, site.ID)
	if err != nil {
		return err
	}
	calls := load.Open + s.Calls
	if s.Calls == 0 {
		calls = 0
	}
	left, limited, err := records.EndsIn(ctx, d, site.Name, calls)
	if err != nil || !limited {
		return err
	}
	s.Seconds = left.Seconds()
	at := b.Now.Add(left).Round(time.Second)
	s.EndsAt = &at
	return nil
}

// Warnings are what often is a mistake in the source.
func (s Summary) Warnings() (out []string) {
	if s.LosesExtension > 0 {
		out = append(out, text.Plural(s.LosesExtension, "name loses its extension", "names lose their extension"))
	}
	if s.ChangesExtension > 0 {
		out = append(out, text.Plural(s.ChangesExtension, "name changes its extension", "names change their extension")+
			", such as "+text.Deref(s.ExtensionChange))
	}
	if s.Localized > 0 {
		out = append(out, text.Plural(s.Localized, "row names an asset", "rows name assets")+
			" in a secondary locale; "+notLocalizable)
	}
	if s.LocaleConflicts > 0 {
		out = append(out, text.Plural(s.LocaleConflicts, "asset gets", "assets get")+
			" different names in different locales; if Webflow keeps one for all, the last call wins")
	}
	return out
}
