package cli

import (
	"encoding/csv"
	"strconv"
	"time"

	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/text"
)

func intText(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func rowColumns() []string {
	return []string{
		"id", "batch", "line", "site", "asset_id", "locale_id", "display_name", "alt_text", "status", "job_state", "attempts",
		"http_status", "before_name", "applied_name", "error", "not_before", "superseded_by", "finished_at",
	}
}

func (a *app) rowsCSV(rows []records.Row) error {
	w := csv.NewWriter(a.Out)
	_ = w.Write(rowColumns()) // its error stays for w.Error
	for _, r := range rows {
		by := ""
		if r.SupersededBy != nil {
			by = strconv.FormatInt(*r.SupersededBy, 10)
		}
		record := []string{
			strconv.FormatInt(r.ID, 10), strconv.FormatInt(r.Batch, 10), strconv.FormatInt(r.Line, 10), r.Site, r.AssetID, r.LocaleID,
			text.Deref(r.DisplayName), intake.AltCell(r.AltText), string(r.Status), text.Deref(r.JobState), strconv.Itoa(r.Attempts), intText(r.HTTPStatus),
			text.Deref(r.BeforeName), text.Deref(r.AppliedName), text.Deref(r.Error), timeText(r.NotBefore), by, timeText(r.FinishedAt),
		}
		for i := range record {
			record[i] = intake.Neutralise(record[i])
		}
		_ = w.Write(record)
	}
	w.Flush()
	return w.Error()
}

func timeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (a *app) causesCSV(causes []records.Cause) error {
	w := csv.NewWriter(a.Out)
	_ = w.Write([]string{"rows", "status", "http_status", "error", "example_id", "example_batch", "example_line", "example_asset_id", "example_display_name"})
	for _, c := range causes {
		_ = w.Write([]string{ // its error stays for w.Error
			strconv.FormatInt(c.Rows, 10), string(c.Status), intText(c.HTTPStatus), intake.Neutralise(c.Error),
			strconv.FormatInt(c.ID, 10), strconv.FormatInt(c.Batch, 10), strconv.FormatInt(c.Line, 10),
			intake.Neutralise(c.AssetID), intake.Neutralise(text.Deref(c.Name)),
		})
	}
	w.Flush()
	return w.Error()
}
