package web

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

const (
	// namesWait is how long an upload waits for a reading of the site. A longer one goes
	// on in the background, as browsers and proxies give up.
	namesWait = 15 * time.Second

	// namesPoll is how often an upload looks whether another one's reading has ended.
	namesPoll = 100 * time.Millisecond
)

// readNames reads the site in the background for an upload whose rows name their assets.
// The key of the reading is the site, not a batch.
func (s *Server) readNames(site db.Site) usecase.NameReading {
	return func(ctx context.Context, maxAge time.Duration) (got siteread.Reading, err error) {
		ctx, cancel := context.WithTimeout(ctx, s.namesWait)
		defer cancel()
		ended := make(chan error, 1)
		read := func(ctx context.Context, progress func(calls, total int)) (err error) {
			got, err = s.use.FreshReading(ctx, site, []string{""}, maxAge, siteread.Params{Progress: progress})
			ended <- err
			return err
		}
		for !s.background.start(-int64(site.ID), read) {
			select {
			case <-time.After(namesPoll):
			case <-ctx.Done():
				return siteread.Reading{}, s.stillReading(site)
			}
		}
		select {
		case err := <-ended:
			return got, err
		case <-ctx.Done():
			return siteread.Reading{}, s.stillReading(site)
		}
	}
}

// stillReading says how far the reading is, and when to try again.
func (s *Server) stillReading(site db.Site) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.namesWait)
	defer cancel()
	r := s.background.reading(-int64(site.ID))
	if r == nil || r.Total <= r.Calls {
		return errors.New("the site is being read: try again in a minute")
	}
	until := ""
	if in, limited, err := records.EndsIn(ctx, s.cfg.DB, site.Name, int64(r.Total-r.Calls)); err == nil && limited {
		now := s.cfg.Now()
		until = fmt.Sprintf(", until about %s (in %s)", text.Clock(now.Add(in), now), text.Span(in))
	}
	return fmt.Errorf("the site is being read, %d of %d calls so far%s: try again when that has ended", r.Calls, r.Total, until)
}
