package usecase

import (
	"context"
	"iter"

	"relabel/internal/intake"
)

// ruleChunk is how many rows of a rule are handed over at once, as those of a query.
const ruleChunk = 1000

// ruleRows are the renames of a rule as the rows of a source. Their lines are their
// numbers in the rule's order.
type ruleRows struct{ *Ruled }

// Chunks implements rowSource.
func (r ruleRows) Chunks(context.Context) iter.Seq2[[]intake.Row, error] {
	return func(yield func([]intake.Row, error) bool) {
		for from := 0; from < len(r.Renames); from += ruleChunk {
			if !yield(r.chunk(from, min(from+ruleChunk, len(r.Renames))), nil) {
				return
			}
		}
	}
}

func (r ruleRows) chunk(from, to int) []intake.Row {
	rows := make([]intake.Row, 0, to-from)
	for i, one := range r.Renames[from:to] {
		row := intake.Row{
			Line: int64(from + i + 1), AssetID: one.AssetID, LocaleID: r.LocaleID, DisplayName: one.Name, AltText: one.Alt,
		}
		row.Check()
		rows = append(rows, row)
	}
	return rows
}

// Info implements rowSource.
func (r ruleRows) Info() intake.Info {
	columns := []string{"asset_id", "display_name"}
	if r.Rule.AltTemplate != "" {
		columns = append(columns, "alt_text")
	}
	return intake.Info{Header: columns, Columns: columns}
}

// Reads implements rowSource. The rule's locale is an id already, so there is no column
// to look up.
func (r ruleRows) Reads(string) bool { return false }

// NamedBy implements rowSource.
func (r ruleRows) NamedBy() string { return "" }

// UseEmpty implements rowSource. A rule has no cells.
func (r ruleRows) UseEmpty(string) {}

// UseLocales implements rowSource.
func (r ruleRows) UseLocales(intake.LocaleResolver) {}

// Close implements rowSource.
func (r ruleRows) Close() error { return nil }
