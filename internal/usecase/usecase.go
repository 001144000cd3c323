// Package usecase owns what a person, the dashboard or a schedule can do with
// batches: load rows, plan, apply, undo, replace, retry, cancel and discard them,
// verify a batch, and pull the site's assets.
//
// Each use case is a method of Service. Those that change something take an Actor
// and write the row of the audit log themselves. They return values and typed
// errors; the command line and the dashboard put both into words. Callbacks are for
// progress only, except LoadParams.Stored, which takes part in a transaction.
//
//	u := &usecase.Service{DB: d, Site: siteOf, CallTimeout: timeout, Logger: log}
//	summary, err := u.Plan(ctx, actor, usecase.LoadParams{Site: site, Source: source}, siteread.Params{})
//	err = u.Apply(ctx, actor, usecase.ApplyParams{BatchID: summary.Batch})
//
// How Plan works: Load reads the source (package intake) and stores it as a planned
// batch (db.Load); Compare reads the site (package siteread) and gives each row its
// status (db.Compare); Summarise counts what would change.
package usecase

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/siteread"
	"relabel/jobs"
)

// Where actors come from, as the audit log has it.
const (
	ViaCommandLine = "command line"
	ViaDashboard   = "dashboard"
	ViaAPI         = "API"
)

// Actor is who does something. The zero Actor is relabel itself: a schedule's run
// has its own record, so the audit log holds only what people do.
type Actor struct {
	Name   string // an address, or an account and host
	Person string // the name of a login, or of the API's token; may be empty
	Via    string
}

// Service runs the use cases of one database.
type Service struct {
	DB          *db.DB
	Site        func(db.Site) (jobs.SiteConfig, error) // adds the token; its error says why there is none
	CallTimeout time.Duration
	Worked      bool         // this process works the sites: their lanes are set up
	Client      *jobs.Client // inserts jobs; nil: one is made when needed
	Logger      *slog.Logger
}

// Record writes an audit entry around act. The use cases do so themselves; it is
// for changes that are no use case of this package.
func (s *Service) Record(ctx context.Context, by Actor, e records.AuditEntry, act func(context.Context) (rows int64, err error)) error {
	if by.Via == "" {
		_, err := act(ctx)
		return err
	}
	e.Who, e.Person, e.Via = by.Name, by.Person, by.Via
	return records.Audit(ctx, s.DB, e, act)
}

// onBatch records an action on a batch.
func (s *Service) onBatch(ctx context.Context, by Actor, action string, id int64, act func(context.Context, records.BatchProgress) (rows int64, err error)) error {
	return s.Record(ctx, by, records.AuditEntry{Action: action, Subject: records.BatchSubject(id)}, func(ctx context.Context) (int64, error) {
		b, err := records.Batch(ctx, s.DB, id)
		if err != nil {
			return -1, err
		}
		return act(ctx, b)
	})
}

// withReader runs fn with a reader of the site.
func (s *Service) withReader(ctx context.Context, site db.Site, fn func(*siteread.Reader) error) error {
	cfg, err := s.Site(site)
	if err != nil {
		return err
	}
	reader, err := siteread.New(ctx, siteread.Config{DB: s.DB, Site: cfg, CallTimeout: s.CallTimeout, Worked: s.Worked, Logger: s.Logger})
	if err != nil {
		return err
	}
	defer reader.Close()
	return fn(reader)
}

// queue gives the first renames of a site their jobs, in the transaction that
// accepts their batch: a small batch is queued at once.
func (s *Service) queue(site db.Site) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) (err error) {
		client := s.Client
		if client == nil {
			if client, err = jobs.NewInsertClient(s.DB, s.Logger); err != nil {
				return err
			}
		}
		_, err = jobs.Feed(ctx, tx, client, site, jobs.DefaultWindow)
		return err
	}
}
