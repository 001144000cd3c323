//go:build failpoints && unix

// Package failpoint marks the places in the code where tests kill or stop the process.
//
// Production code calls Hit at each of these places, and Time for durations that tests
// shorten. In builds with the tag "failpoints", which only tests make, the environment
// variable RELABEL_FAILPOINT chooses one place and what happens there, and
// RELABEL_TIMES sets durations. In all other builds these functions do nothing.
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

// hits counts how often the process came to the chosen place.
//
//nolint:gochecknoglobals // one process has one chosen place
var hits atomic.Int64

// Hit kills or stops the process if name is the chosen place. RELABEL_FAILPOINT is
// NAME[:N[:ACTION]]. It acts on the N-th Hit of NAME (default 1). ACTION is kill (the
// default) or stop (SIGSTOP, until somebody sends SIGCONT).
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

// Time returns the duration that RELABEL_TIMES (NAME=DURATION,...) has for name, or
// else otherwise.
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

// Trace adds the places inside an HTTP call: "sending", when the request is in
// net/http's buffer and nothing is written yet, and "headers". (Package webflow hits
// "sent" itself, after the write.)
func Trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { Hit("sending") },
		GotFirstResponseByte: func() { Hit("headers") },
	})
}
