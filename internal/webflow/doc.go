// Package webflow is the client of Webflow's Data API v2. Its calls are UpdateAsset,
// GetAsset, ListAssets, ListAssetFolders and GetSite.
//
// A Client is made of a Config, which holds a Token that cannot be printed. Each method
// sends one call once, and returns a result with Meta: the status, the duration, and
// what the headers said about the rate limit. If the call failed, the error is an *Error,
// and its Kind says what happened. Callers decide by Kind what to do next:
//
//	res, err := client.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: id, DisplayName: &name})
//	if e, ok := errors.AsType[*webflow.Error](err); ok && e.Kind == webflow.KindRateLimited {
//		wait(e.Meta.RetryAfter)
//	}
//
// The package keeps the token secret, builds requests, enforces a call's deadline to the
// last byte written, and reads answers: it limits, decodes and checks them. It does not
// wait for the rate limit (package throttle does), does not retry, and does not decide
// what an answer means for a rename (package jobs does).
//
// # How a call ends in time
//
// A deadline holds by two clocks. The monotonic clock stands still while a laptop
// sleeps, and the wall clock may be set; whichever says "over" first is believed. The
// last check is at the write itself, in a connection of our own below TLS.
//
// A call that is given up really ends. A normally closed socket goes on sending
// unacknowledged bytes for up to 90 s, and an old name would arrive after a newer one.
// So closing the connection during a call resets it (SO_LINGER 0), and the kernel drops
// what it still has. If the process itself is stopped, Linux breaks the connection at
// the call's deadline (TCP_USER_TIMEOUT).
package webflow
