//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// pollEvery is how often a lock, or a server that starts or stops, is checked. 10 ms is little beside the 100 ms of
	// a start, and a check is one system call or one small file.
	pollEvery = 10 * time.Millisecond
	// slowNotice is when a long wait is explained: a start or stop takes 0.3 s, the first start 2 s.
	slowNotice = 5 * time.Second
)

// wait describes something that takes time.
type wait struct {
	every  time.Duration
	doing  string // for the error when the context ends: "stopped " + doing
	notice string // logged once after slowNotice; "" for none
	log    *slog.Logger
	file   string // logged with the notice: where to look
}

// until calls check until it reports done or an error. A context that has already ended gets one call.
func (w wait) until(ctx context.Context, check func() (done bool, err error)) error {
	poll := time.NewTicker(w.every)
	defer poll.Stop()
	notice := time.NewTimer(slowNotice)
	defer notice.Stop()
	for {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped %s: %w", w.doing, context.Cause(ctx))
		case <-notice.C:
			if w.notice != "" {
				w.log.Info(w.notice, "file", w.file)
			}
		case <-poll.C:
		}
	}
}
