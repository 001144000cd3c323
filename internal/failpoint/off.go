//go:build !failpoints || !unix

// Package failpoint names the places where a crash is worth a test. In builds
// with the tag "failpoints" (tests only) the environment variable
// RELABEL_FAILPOINT kills or stops the process at one of them; in all others
// nothing of it is left.
package failpoint

import (
	"context"
	"time"
)

// Hit passes a named place.
func Hit(string) {}

// Time is a time that tests may shorten.
func Time(_ string, otherwise time.Duration) time.Duration { return otherwise }

// Trace adds the places inside an HTTP call: sending and headers.
func Trace(ctx context.Context) context.Context { return ctx }
