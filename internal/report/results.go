package report

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/text"
)

// WriteResults writes rows as csv or jsonl, and counts them.
func WriteResults(w io.Writer, format string, rows iter.Seq2[db.Result, error]) (n int64, err error) {
	if format != "jsonl" {
		return writeCSV(w, intake.ResultsColumns(), rows, csvRecord)
	}
	buf := bufio.NewWriterSize(w, bufferSize)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	for r, err := range rows {
		if err == nil {
			err = enc.Encode(&r)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, buf.Flush()
}

func csvRecord(r *db.Result) []string {
	status := ""
	if r.HTTPStatus != nil {
		status = strconv.Itoa(*r.HTTPStatus)
	}
	finished := ""
	if r.FinishedAt != nil {
		finished = r.FinishedAt.UTC().Format(time.RFC3339)
	}
	return []string{
		strconv.FormatInt(r.Line, 10), intake.Neutralise(r.AssetID), intake.Neutralise(r.LocaleID),
		intake.Neutralise(text.Deref(r.DisplayName)), intake.Neutralise(text.Deref(r.AltText)),
		r.Status, status, strconv.Itoa(r.Attempts),
		intake.Neutralise(text.Deref(r.AppliedName)), intake.Neutralise(text.Deref(r.Error)), finished,
	}
}
