package report

import (
	"io"
	"iter"
	"strconv"
	"time"

	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/text"
)

// WriteResults writes a batch's rows as csv, jsonl or xlsx, and counts them.
func WriteResults(w io.Writer, format string, rows iter.Seq2[records.Result, error]) (int64, error) {
	if format == FormatJSONL {
		return writeJSONL(w, rows)
	}
	return table[records.Result]{"Results", intake.ResultsColumns(), resultRecord}.write(w, format, rows)
}

func resultRecord(r *records.Result) []string {
	status := ""
	if r.HTTPStatus != nil {
		status = strconv.Itoa(*r.HTTPStatus)
	}
	return []string{
		strconv.FormatInt(r.Line, 10), r.AssetID, r.LocaleID, intake.TextCell(r.DisplayName), intake.AltCell(r.AltText),
		string(r.Status), status, strconv.Itoa(r.Attempts), text.Deref(r.AppliedName), text.Deref(r.Error), timestamp(r.FinishedAt),
	}
}

func timestamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
