//go:build !failpoints || !unix

// Package failpoint marks the places in the code where tests kill or stop the process.
//
// Production code calls Hit at each of these places, and Time for durations that tests
// shorten. In builds with the tag "failpoints", which only tests make, the environment
// variable RELABEL_FAILPOINT chooses one place and what happens there, and
// RELABEL_TIMES sets durations. In all other builds these functions do nothing.
package failpoint

import (
	"context"
	"time"
)

// Hit does nothing in this build.
func Hit(string) {}

// Time returns otherwise in this build.
func Time(_ string, otherwise time.Duration) time.Duration { return otherwise }

// Trace returns ctx unchanged in this build.
func Trace(ctx context.Context) context.Context { return ctx }
