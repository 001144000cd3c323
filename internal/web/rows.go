package web

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
)

const (
	// countedRows is how many rows a page searches to count the matches.
	countedRows = 10_000

	// badStatus is the form's choice of all rows that did not succeed.
	badStatus = "not succeeded"
)

// rowFilter is the filter form above the rows.
type rowFilter struct {
	Status string
	Name   string
	Asset  string
	Error  string
	HTTP   string
}

func filterOf(q url.Values) rowFilter {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return rowFilter{Status: get("status"), Name: get("name"), Asset: strings.ToLower(get("asset")), Error: get("error"), HTTP: get("http")}
}

// Set reports whether any field is filled in.
func (f rowFilter) Set() bool { return f != rowFilter{} }

// RowStatuses returns the statuses that the filter asks for; none: all.
func (f rowFilter) RowStatuses() []db.RowStatus {
	switch f.Status {
	case "":
		return nil
	case badStatus:
		return []db.RowStatus{db.RowFailed, db.RowConflict, db.RowInvalid}
	}
	return db.RowStatuses([]string{f.Status})
}

// Results returns the address of the batch's results with the filter's statuses. A template
// would escape a query that it puts behind a "?" itself.
func (f rowFilter) Results(batch int64) string {
	q := url.Values{}
	for _, one := range f.RowStatuses() {
		q.Add("status", string(one))
	}
	return batchPath(batch) + "/results.csv?" + q.Encode()
}

// Link returns the address of the first page of the filter.
func (f rowFilter) Link() string { return "?" + f.Query() + "#rows" }

// Query returns the filter as a URL query.
func (f rowFilter) Query() string {
	q := url.Values{}
	for name, value := range map[string]string{"status": f.Status, "name": f.Name, "asset": f.Asset, "error": f.Error, "http": f.HTTP} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

func (f rowFilter) rows(batch int64) (records.RowFilter, error) {
	out := records.RowFilter{Batch: batch, Name: f.Name, AssetID: f.Asset, Error: f.Error}
	if f.Status != "" {
		out.Statuses = f.RowStatuses()
	}
	if f.HTTP != "" {
		n, err := strconv.Atoi(f.HTTP)
		if err != nil {
			return out, records.FilterError("an HTTP status is a number with three digits")
		}
		out.HTTPStatus = n
	}
	return out, out.Check()
}

// rowsData is one page of rows.
type rowsData struct {
	Filter   rowFilter
	Now      time.Time // when the rows were read
	Statuses []string
	Problem  string
	Rows     []records.Row
	Next     string // URL of the next page
	First    string // URL of the first page, unless this is it
	Looked   int64
	Count    records.RowCount
	Retry    int64 // counted rows that a retry would take; -1: unknown
}

// rows reads a page of rows. Without a filter, it begins with those that did not succeed.
func (s *Server) rows(ctx context.Context, b report.Batch, q url.Values) (d rowsData, err error) {
	d = rowsData{Filter: filterOf(q), Now: b.Now, Statuses: append(db.Words(db.Statuses()), badStatus)}
	if !q.Has("status") && !d.Filter.Set() && b.Bad() > 0 && b.Status != db.BatchPlanned {
		d.Filter.Status = badStatus
	}
	filter, err := d.Filter.rows(b.Batch)
	var page records.RowPage
	if err == nil {
		page, err = records.Rows(ctx, s.cfg.DB, records.RowQuery{RowFilter: filter, Sort: records.SortOldest, Cursor: q.Get("after"), Limit: onPage})
	}
	if bad, ok := errors.AsType[records.FilterError](err); ok {
		d.Problem = bad.Error()
		return d, nil
	}
	if err != nil {
		return d, err
	}
	d.Rows, d.Looked = page.Rows, page.Looked
	here := d.Filter.Query()
	if page.Next != "" {
		d.Next = "?" + join(here, "after="+url.QueryEscape(page.Next)) + "#rows"
	}
	if q.Get("after") != "" {
		d.First = "?" + here + "#rows"
	}
	if d.Count, err = records.CountRows(ctx, s.cfg.DB, filter, countedRows); err != nil {
		return d, err
	}
	d.Retry, err = s.retryable(ctx, filter)
	return d, err
}

func (s *Server) retryable(ctx context.Context, f records.RowFilter) (int64, error) {
	f, ok := f.ForRetry()
	if !ok {
		return 0, nil
	}
	n, err := records.CountRows(ctx, s.cfg.DB, f, countedRows)
	if err == nil && !n.Exact {
		return -1, nil
	}
	return n.Rows, err
}

func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "&")
}
