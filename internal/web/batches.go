package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
)

// withFailures is the form's choice of batches with rows that did not succeed.
const withFailures = "with failures"

type batchesFigures struct {
	Now  time.Time
	List []report.Batch
	By   map[int64]string // who loaded them
	Say  string
}

// batchesData is the search form, and the way to the next page.
type batchesData struct {
	Name, Site, Status, Within string

	Sites    []db.Site
	Statuses []string
	Set      bool // any field is filled in
	Next     string
	First    string
}

func (s *Server) batchesPage(w http.ResponseWriter, r *http.Request) {
	p, err := s.searchBatches(r.Context(), r.URL.Query())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "batches", p)
}

// batches reads the first page of all batches, which is live.
func (s *Server) batches(ctx context.Context) (page, error) { return s.searchBatches(ctx, nil) }

func (s *Server) searchBatches(ctx context.Context, q url.Values) (page, error) {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	d := batchesData{
		Name: get("name"), Site: get("site"), Status: get("status"), Within: get("within"),
		Statuses: []string{"planned", "active", "paused", "done", "cancelled", withFailures},
	}
	d.Set = d.Name+d.Site+d.Status+d.Within != ""
	filter := d.filter()
	filter.Before, _ = strconv.ParseInt(get("before"), 10, 64)
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return page{}, err
	}
	list, err := report.FindBatches(ctx, s.cfg.DB, filter)
	if err != nil {
		return page{}, err
	}
	if d.Sites, err = s.cfg.DB.Sites(ctx); err != nil {
		return page{}, err
	}
	d.pages(filter.Before, list)
	by, err := s.loaders(ctx, list)
	if err != nil {
		return page{}, err
	}
	p := page{Title: "Batches", Nav: "batches", Figures: batchesFigures{Now: now, List: list, By: by}, Data: d}
	if !d.Set && filter.Before <= 0 {
		p.Topic = "batches"
	}
	return p, nil
}

// loaders says who loaded batches: a person, or a schedule.
func (s *Server) loaders(ctx context.Context, list []report.Batch) (map[int64]string, error) {
	ids := make([]int64, len(list))
	for i, b := range list {
		ids[i] = b.Batch
	}
	by, err := records.Loaders(ctx, s.cfg.DB, ids)
	if err != nil {
		return nil, err
	}
	schedules, err := scheduledb.OfBatches(ctx, s.cfg.DB, ids)
	for id, name := range schedules {
		by[id] = "schedule " + name
	}
	return by, err
}

func (d *batchesData) filter() records.BatchFilter {
	f := records.BatchFilter{Name: d.Name, Site: d.Site, Bad: d.Status == withFailures, Limit: onPage}
	if !f.Bad {
		f.Status = db.BatchStatus(d.Status)
	}
	if days, err := strconv.Atoi(d.Within); err == nil && days > 0 && days <= 3650 {
		f.Within = time.Duration(days) * 24 * time.Hour
	}
	return f
}

func (d *batchesData) pages(before int64, list []report.Batch) {
	q := url.Values{}
	for name, value := range map[string]string{"name": d.Name, "site": d.Site, "status": d.Status, "within": d.Within} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if before > 0 {
		d.First = "?" + q.Encode()
	}
	if len(list) == onPage {
		q.Set("before", strconv.FormatInt(list[len(list)-1].Batch, 10))
		d.Next = "?" + q.Encode()
	}
}
