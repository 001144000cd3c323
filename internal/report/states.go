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

// WriteStates writes the assets of a site as csv or xlsx. The file loads straight back. It counts the rows.
func WriteStates(w io.Writer, format string, rows iter.Seq2[db.AssetState, error]) (int64, error) {
	return table[db.AssetState]{"Assets", StatesHeader(), stateRecord}.write(w, format, rows)
}

func stateRecord(s *db.AssetState) []string {
	return []string{
		s.AssetID, intake.TextCell(&s.DisplayName), intake.TextCell(&s.AltText), s.LocaleID, s.OriginalFileName, s.ContentType,
		strconv.FormatInt(s.Size, 10), s.HostedURL, s.Folder,
	}
}

// WriteFindings writes the differences that a verification found as csv or xlsx. The file loads straight back. It counts
// the rows.
func WriteFindings(w io.Writer, format string, rows iter.Seq2[db.Finding, error]) (int64, error) {
	return table[db.Finding]{"Verified", intake.VerifyColumns(), findingRecord}.write(w, format, rows)
}

func findingRecord(f *db.Finding) []string {
	batch := ""
	if f.ByBatch != nil {
		batch = strconv.FormatInt(*f.ByBatch, 10)
	}
	return []string{
		strconv.FormatInt(f.Line, 10), f.AssetID, f.LocaleID, f.Found, intake.TextCell(f.DisplayName), text.Deref(f.FoundName),
		intake.AltCell(f.AltText), text.Deref(f.FoundAltText), batch, timestamp(f.LastUpdated),
	}
}
