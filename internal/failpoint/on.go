//go:build failpoints && unix

// Package failpoint names the places where a crash is worth a test. In builds
// with the tag "failpoints" (tests only) the environment variable
// RELABEL_FAILPOINT kills or stops the process at one of them; in all others
// nothing of it is left.
package failpoint

import (
	"context"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// hits counts how often the chosen place was passed.
//
//nolint:gochecknoglobals // a process dies once
var hits atomic.Int64

// Hit passes a named place. RELABEL_FAILPOINT is NAME[:N[:ACTION]]: at the N-th
// pass (default the first) of NAME the process is killed (ACTION kill, the
// default) or stopped (stop: SIGSTOP, until somebody sends SIGCONT).
func Hit(name string) {
	place, rest, _ := strings.Cut(os.Getenv("RELABEL_FAILPOINT"), ":")
	if place != name {
		return
	}
	count, action, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	if hits.Add(1) != n {
		return
	}
	if action == "stop" {
		stop()
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// Time is a time that tests may shorten: RELABEL_TIMES is NAME=DURATION,...
func Time(name string, otherwise time.Duration) time.Duration {
	for setting := range strings.SplitSeq(os.Getenv("RELABEL_TIMES"), ",") {
		if which, value, _ := strings.Cut(setting, "="); which == name {
			if d, err := time.ParseDuration(value); err == nil && d > 0 {
				return d
			}
		}
	}
	return otherwise
}

// Trace adds the places inside an HTTP call: sending, with the request in
// net/http's buffer and not a byte written, and headers. (sent, after the write, is
// hit where it is made.)
func Trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { Hit("sending") },
		GotFirstResponseByte: func() { Hit("headers") },
	})
}
