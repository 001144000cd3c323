package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

// slowEvery is how often the expensive figures are read: the causes of failures
// and the chart.
const slowEvery = 5 * time.Second

// planEvery is how often a whole plan is read, which takes 3 s for 1,000,000 rows.
const planEvery = time.Minute

// shownCauses bounds the listed causes of failures; the results hold all errors.
const shownCauses = 10

// batchFigures is the live part of a batch's page.
type batchFigures struct {
	report.Batch
	Counts []count
	slowFigures
	Reading *reading // of the site, for a plan; nil: none
	By      string   // who loaded it
	Say     string
}

// slowFigures are the expensive figures.
type slowFigures struct {
	Chart  chart
	Causes records.Causes
	NoUndo string // why the batch can't be undone; empty: it can
}

// count is the number of rows in one status.
type count struct {
	Status string
	Rows   int64
}

func (s *Server) batchID(w http.ResponseWriter, r *http.Request) (int64, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		s.notFound(w, r)
		return 0, false
	}
	return id, true
}

// batchFigures reads the live part of a batch's page.
func (s *Server) batchFigures(ctx context.Context, id int64) (page, error) {
	b, err := report.ReadBatch(ctx, s.cfg.DB, id)
	if err != nil {
		return page{}, err
	}
	f := batchFigures{Batch: b, Counts: countsOf(b), Reading: s.background.reading(id)}
	if f.slowFigures, err = s.slow(ctx, b); err != nil {
		return page{}, err
	}
	by, err := s.loaders(ctx, []report.Batch{b})
	if err != nil {
		return page{}, err
	}
	f.By = by[id]
	f.Say = fmt.Sprintf("%s of %s rows done, %s failed. %s", text.Number(b.Done()), text.Number(b.Total), text.Number(b.Failed), b.Ends())
	return page{
		Title: fmt.Sprintf("Batch %d", id), Nav: "batches", Topic: fmt.Sprintf("batch/%d", id), Figures: f,
	}, nil
}

func countsOf(b report.Batch) []count {
	return []count{
		{"succeeded", b.Succeeded},
		{"failed", b.Failed},
		{"conflict", b.Conflict},
		{"sending", b.Sending},
		{"pending", b.Pending},
		{"unchanged", b.Unchanged},
		{"superseded", b.Superseded},
		{"cancelled", b.Cancelled},
		{"invalid", b.Invalid},
	}
}

// slow reads the expensive figures, or takes recent ones from the cache.
func (s *Server) slow(ctx context.Context, b report.Batch) (slowFigures, error) {
	return s.figures.get(b.Batch, string(b.Status), s.cfg.Now(), func() (f slowFigures, err error) {
		if f.Causes, err = records.RowErrors(ctx, s.cfg.DB, records.RowFilter{Batch: b.Batch}, shownCauses); err != nil {
			return f, err
		}
		if f.NoUndo, err = s.noUndo(ctx, b); err != nil {
			return f, err
		}
		f.Chart, err = s.chart(ctx, b)
		return f, err
	})
}

// noUndo says why a batch can't be undone; empty if it can.
func (s *Server) noUndo(ctx context.Context, b report.Batch) (string, error) {
	if b.Succeeded == 0 {
		return "Nothing to undo: no row was sent.", nil
	}
	ok, err := records.Undoable(ctx, s.cfg.DB, b.Batch)
	if err != nil || ok {
		return "", err
	}
	return "Can't be undone: its old names weren't saved. A plan, or a load with --snapshot, saves them.", nil
}

func (s *Server) batchPage(w http.ResponseWriter, r *http.Request) {
	id, ok := s.batchID(w, r)
	if !ok {
		return
	}
	p, err := s.batchFigures(r.Context(), id)
	if err == nil {
		p.Data, err = s.batchData(r, p.Figures.(batchFigures))
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	p.Pictures = s.showsPictures(r)
	s.render(w, r, http.StatusOK, "batch", p)
}

// batchData is the rest of a batch's page.
type batchData struct {
	Plan         *planData // nil: the batch is not a plan
	Rows         rowsData
	Pictures     pictures
	AuditEntries []records.AuditEntry
}

const shownEntries = 10

func (s *Server) batchData(r *http.Request, f batchFigures) (d batchData, err error) {
	ctx := r.Context()
	if f.Status == db.BatchPlanned && (f.Reading == nil || f.Reading.Problem != "") {
		if d.Plan, err = s.planData(r, f.Batch.Batch); err != nil {
			return d, err
		}
	}
	if d.Rows, err = s.rows(ctx, f.Batch, r.URL.Query()); err != nil {
		return d, err
	}
	if d.Pictures, err = s.pictures(ctx, s.showsPictures(r), f.Site, d.assetIDs()); err != nil {
		return d, err
	}
	d.AuditEntries, err = records.AuditEntries(ctx, s.cfg.DB, records.BatchSubject(f.Batch.Batch), 0, shownEntries)
	return d, err
}

// assetIDs are those of all rows that the page shows.
func (d batchData) assetIDs() (ids []string) {
	for _, r := range d.Rows.Rows {
		ids = append(ids, r.AssetID)
	}
	if d.Plan != nil {
		for _, c := range d.Plan.Changes {
			ids = append(ids, c.AssetID)
		}
	}
	return ids
}
