package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/sourcegraph/conc"

	"relabel/db"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
)

// maxReadFailures bounds the tries of a read: a person waits for it.
const maxReadFailures = 5

// ReaderConfig of a Reader.
type ReaderConfig struct {
	DB          *db.DB
	Site        SiteConfig
	CallTimeout time.Duration
	Worked      bool // this process's Pool works the site, and has set up the lane
	Logger      *slog.Logger
}

// Reader makes calls that rename nothing. They go through the site's lane and count
// against the same limit.
type Reader struct {
	cfg    ReaderConfig
	lane   *throttle.Lane
	cancel context.CancelFunc
	run    conc.WaitGroup
}

// NewReader makes a Reader that works until Close.
func NewReader(ctx context.Context, cfg ReaderConfig) (*Reader, error) {
	if !cfg.Worked {
		if err := cfg.DB.FindLane(ctx, cfg.Site.Site.ID, cfg.Site.Lane); err != nil {
			return nil, err
		}
	}
	r := &Reader{cfg: cfg, lane: throttle.New(throttle.Config{
		Log: cfg.DB, Lane: cfg.Site.Lane.Fingerprint, ProcessID: uuid.NewString(),
		Hold: cfg.CallTimeout + DefaultTimes().LeaseMargin, Logger: cfg.Logger,
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

// Call makes one read and repeats it where that helps: a 429 waits with the lane, and a
// transient failure is tried again a few times.
func (r *Reader) Call(ctx context.Context, call func(context.Context) (webflow.Meta, error)) error {
	for failures := 0; ; {
		err := r.Once(ctx, call)
		o := decide(err, failures, rand.Float64())
		if o.Status != statusPending || o.Park != "" || ctx.Err() != nil {
			return err
		}
		if o.Failure {
			failures++
		}
		if failures == maxReadFailures {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.Delay):
		}
	}
}

// Once makes one call through the lane.
func (r *Reader) Once(ctx context.Context, call func(context.Context) (webflow.Meta, error)) error {
	grant, err := r.lane.Acquire(ctx)
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
	if o := decide(callErr, 0, 0); o.Block > 0 {
		r.lane.Block(o.Block)
	}
	defer observeLimit(r.lane, meta)
	if grant.ID != 0 {
		settleCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStopTime)
		defer cancel()
		if err := r.cfg.DB.SettleGrant(settleCtx, grant.ID, time.Since(answered)); err != nil {
			r.cfg.Logger.Warn("a grant is not settled and frees itself later", "error", err)
		}
	}
	return callErr
}

// observeLimit passes on the limit that an answer named, once its grant is settled.
func observeLimit(lane *throttle.Lane, meta webflow.Meta) {
	if r := meta.RateLimit; r.HasLimit && r.HasRemaining {
		lane.Observe(throttle.Headers{
			Limit: r.Limit, Remaining: r.Remaining, SentAt: meta.SentAt, Refused: meta.Status == http.StatusTooManyRequests,
		})
	}
}

// Site is whose assets it reads.
func (r *Reader) Site() db.Site { return r.cfg.Site.Site }

// GetSite reads the site and its locales.
func (r *Reader) GetSite(ctx context.Context, webflowID string) (webflow.Site, error) {
	var res webflow.GetSiteResult
	err := r.Call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.GetSite(ctx, webflowID)
		return res.Meta, err
	})
	return res.Site, err
}

// GetAsset reads one asset.
func (r *Reader) GetAsset(ctx context.Context, p webflow.GetAssetParams) (webflow.Asset, error) {
	var res webflow.GetAssetResult
	err := r.Call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.GetAsset(ctx, p)
		return res.Meta, err
	})
	return res.Asset, err
}

// ListAssets reads one page of the site's assets.
func (r *Reader) ListAssets(ctx context.Context, p webflow.ListAssetsParams) (webflow.ListAssetsResult, error) {
	var res webflow.ListAssetsResult
	err := r.Call(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		res, err = r.cfg.Site.Client.ListAssets(ctx, p)
		return res.Meta, err
	})
	return res, err
}
