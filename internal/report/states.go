package report

import (
	"io"
	"iter"
	"strconv"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/text"
)

// StatesHeader is the first line of what WriteStates writes.
func StatesHeader() []string { return append(intake.PullColumns(), "folder") }

// WriteStates writes what a site holds as a CSV that loads straight back, and
// counts its rows.
func WriteStates(w io.Writer, rows iter.Seq2[db.AssetState, error]) (int64, error) {
	return writeCSV(w, StatesHeader(), rows, func(s *db.AssetState) []string {
		return neutral(s.AssetID, s.DisplayName, s.AltText, s.LocaleID, s.OriginalFileName, s.ContentType,
			strconv.FormatInt(s.Size, 10), s.HostedURL, s.Folder)
	})
}

// WriteFindings writes what a verification found as a CSV that loads straight
// back, and counts its rows.
func WriteFindings(w io.Writer, rows iter.Seq2[db.Finding, error]) (int64, error) {
	return writeCSV(w, intake.VerifyColumns(), rows, func(f *db.Finding) []string {
		batch, updated := "", ""
		if f.ByBatch != nil {
			batch = strconv.FormatInt(*f.ByBatch, 10)
		}
		if f.LastUpdated != nil {
			updated = f.LastUpdated.UTC().Format(time.RFC3339)
		}
		return neutral(strconv.FormatInt(f.Line, 10), f.AssetID, f.LocaleID, f.Found, text.Deref(f.DisplayName), text.Deref(f.FoundName),
			text.Deref(f.AltText), text.Deref(f.FoundAltText), batch, updated)
	})
}

// neutral makes cells safe to open in a spreadsheet.
func neutral(cells ...string) []string {
	for i, cell := range cells {
		cells[i] = intake.Neutralise(cell)
	}
	return cells
}
