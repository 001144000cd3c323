package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"

	"relabel/db"
	"relabel/internal/intake"
)

// WriteResults writes rows as csv or jsonl, and counts them.
func WriteResults(w io.Writer, format string, rows iter.Seq2[db.Result, error]) (n int64, err error) {
	buf := bufio.NewWriterSize(w, 64<<10) // fewer system calls for millions of rows
	put, err := newRowWriter(buf, format)
	if err != nil {
		return 0, err
	}
	for r, err := range rows {
		if err == nil {
			err = put(&r)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, buf.Flush()
}

type rowWriter func(*db.Result) error

func newRowWriter(buf *bufio.Writer, format string) (rowWriter, error) {
	if format == "jsonl" {
		return jsonlWriter(buf), nil
	}
	return csvWriter(buf)
}

func jsonlWriter(buf *bufio.Writer) rowWriter {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	return func(r *db.Result) error { return enc.Encode(r) }
}

// csvWriter writes the header, and gives the writer of rows.
func csvWriter(buf *bufio.Writer) (rowWriter, error) {
	c := csv.NewWriter(buf)
	write := func(record []string) error {
		if err := c.Write(record); err != nil {
			return err
		}
		c.Flush() // into buf: memory to memory
		return c.Error()
	}
	return func(r *db.Result) error { return write(csvRecord(r)) }, write(intake.ResultsColumns())
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
		intake.Neutralise(deref(r.DisplayName)), intake.Neutralise(deref(r.AltText)),
		r.Status, status, strconv.Itoa(r.Attempts),
		intake.Neutralise(deref(r.AppliedName)), intake.Neutralise(deref(r.Error)), finished,
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
