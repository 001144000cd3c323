package report

import (
	"io"
	"iter"
	"strconv"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/text"
)

// StatesHeader returns the columns that WriteStates writes.
func StatesHeader() []string { return append(intake.PullColumns(), "folder") }

// WriteStates writes the assets of a site as a CSV that loads straight back, and
// counts its rows.
func WriteStates(w io.Writer, rows iter.Seq2[db.AssetState, error]) (int64, error) {
	return writeCSV(w, StatesHeader(), rows, func(s *db.AssetState) []string {
		return neutral(s.AssetID, intake.TextCell(&s.DisplayName), intake.TextCell(&s.AltText), s.LocaleID, s.OriginalFileName, s.ContentType,
			strconv.FormatInt(s.Size, 10), s.HostedURL, s.Folder)
	})
}

// WriteFindings writes the differences that a verification found as a CSV that
// loads straight back, and counts its rows.
func WriteFindings(w io.Writer, rows iter.Seq2[db.Finding, error]) (int64, error) {
	return writeCSV(w, intake.VerifyColumns(), rows, func(f *db.Finding) []string {
		batch := ""
		if f.ByBatch != nil {
			batch = strconv.FormatInt(*f.ByBatch, 10)
		}
		return neutral(strconv.FormatInt(f.Line, 10), f.AssetID, f.LocaleID, f.Found, intake.TextCell(f.DisplayName), text.Deref(f.FoundName),
			intake.AltCell(f.AltText), text.Deref(f.FoundAltText), batch, timestamp(f.LastUpdated))
	})
}
