package siteread

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sourcegraph/conc"

	"relabel/db"
	"relabel/internal/metrics"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const (
	// maxFailures is how often a read is tried: a person waits for it.
	maxFailures = 5

	// settleTime bounds the settling of a grant after its read. An unsettled grant
	// frees itself later.
	settleTime = 3 * time.Second

	// noAsset is an id that no asset has. Asking for it tries the token where the
	// site's id is not known.
	noAsset = "000000000000000000000000"
)

// Config of a Reader.
type Config struct {
	DB          *db.DB
	Site        jobs.SiteConfig
	CallTimeout time.Duration
	Worked      bool // this process's pool has set up the lane already
	Logger      *slog.Logger
}

// Reader makes calls that rename nothing, through the site's lane: they count
// against the same limit as renames. Close it.
type Reader struct {
	cfg    Config
	lane   *throttle.Lane
	cancel context.CancelFunc
	run    conc.WaitGroup

	answered atomic.Int64 // calls
}

// New makes a Reader that works until Close.
func New(ctx context.Context, cfg Config) (*Reader, error) {
	if !cfg.Worked {
		if err := cfg.DB.FindLane(ctx, cfg.Site.Site.ID, cfg.Site.Lane); err != nil {
			return nil, err
		}
	}
	r := &Reader{cfg: cfg, lane: throttle.New(throttle.Config{
		Log: cfg.DB, Lane: cfg.Site.Lane.Fingerprint, ProcessID: uuid.NewString(),
		Hold: cfg.CallTimeout + jobs.DefaultTimes().LeaseMargin, Logger: cfg.Logger,
	})}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	r.run.Go(func() { r.lane.Run(run) })
	return r, nil
}

// Close ends the reader.
func (r *Reader) Close() {
	r.lane.Stop()
	r.cancel()
	r.run.Wait()
}

// Calls counts the calls that were answered.
func (r *Reader) Calls() int64 { return r.answered.Load() }

func (r *Reader) site() db.Site { return r.cfg.Site.Site }

// Try makes one call, to see whether the API accepts the token. If it reads the
// site, its locales are saved. Without the site's id, 404 means accepted.
func (r *Reader) Try(ctx context.Context) error {
	id := r.site().WebflowSiteID
	if id == nil {
		return r.once(ctx, func(ctx context.Context) (webflow.Meta, error) {
			res, err := r.cfg.Site.Client.GetAsset(ctx, webflow.GetAssetParams{AssetID: noAsset})
			return res.Meta, err
		})
	}
	var res webflow.GetSiteResult
	err := r.once(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.GetSite(ctx, *id)
		return res.Meta, err
	})
	if err != nil || res.Site.ID == "" {
		return err
	}
	return r.cfg.DB.KeepLocales(ctx, r.site().ID, r.newLocales(res.Site).all)
}

// call makes one read. After a 429 it waits with the lane; a failure that may pass
// is tried again a few times.
func (r *Reader) call(ctx context.Context, call func(context.Context) (webflow.Meta, error)) error {
	for failures := 0; ; {
		err := r.once(ctx, call)
		v := jobs.JudgeRead(err, failures)
		if !v.Retry || ctx.Err() != nil {
			return err
		}
		if v.Failure {
			failures++
		}
		if failures == maxFailures {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(v.Delay):
		}
	}
}

// once makes one call through the lane. call returns what is known of its answer.
func (r *Reader) once(ctx context.Context, call func(context.Context) (webflow.Meta, error)) error {
	waited := r.cfg.Site.Metrics.WaitForGrant()
	grant, err := r.lane.Acquire(ctx)
	waited()
	if err != nil {
		return fmt.Errorf("error waiting for the rate limit: %w", err)
	}
	callCtx, cancel := grant.Deadline.Context(ctx)
	meta, callErr := call(callCtx)
	cancel()
	answered := time.Now()
	if e := (*webflow.Error)(nil); errors.As(callErr, &e) {
		meta = e.Meta
	}
	v := jobs.JudgeRead(callErr, 0)
	r.cfg.Site.Metrics.Call(metrics.KindRead, string(v.Outcome), meta.Status, meta.Duration)
	if v.Block > 0 {
		r.lane.Block(v.Block)
	}
	if meta.Status != 0 {
		r.answered.Add(1)
	}
	r.settle(ctx, grant, answered)
	jobs.ObserveLimit(r.lane, meta)
	return callErr
}

func (r *Reader) settle(ctx context.Context, grant throttle.Grant, answered time.Time) {
	if grant.ID == 0 { // a lane without a limit
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := r.cfg.DB.SettleGrant(ctx, grant.ID, time.Since(answered)); err != nil {
		r.cfg.Logger.Warn("a grant is not settled and frees itself later", "error", err)
	}
}

func (r *Reader) getSite(ctx context.Context, webflowID string) (webflow.Site, error) {
	var res webflow.GetSiteResult
	err := r.call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.GetSite(ctx, webflowID)
		return res.Meta, err
	})
	return res.Site, err
}

func (r *Reader) getAsset(ctx context.Context, p webflow.GetAssetParams) (webflow.Asset, error) {
	var res webflow.GetAssetResult
	err := r.call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.GetAsset(ctx, p)
		return res.Meta, err
	})
	return res.Asset, err
}

// listAssets reads one page of the site's assets.
func (r *Reader) listAssets(ctx context.Context, p webflow.ListAssetsParams) (webflow.ListAssetsResult, error) {
	var res webflow.ListAssetsResult
	err := r.call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.ListAssets(ctx, p)
		return res.Meta, err
	})
	return res, err
}
