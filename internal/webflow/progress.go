package webflow

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// progress knows how far a call got. It is what tells "not sent" from "may have
// landed".
//
// It also keeps a call single. net/http sends a GET again by itself when a connection
// that was used before breaks without an answer: a call the throttle does not know of.
// A PATCH it sends again only when not a byte of it was written, which is harmless.
type progress struct {
	once bool   // stop a second sending of what was sent
	stop func() // cancels the call

	headers  atomic.Bool // given to the connection, buffered at least
	whole    atomic.Bool
	repeated atomic.Bool
}

// watch gives a context that reports to p. net/http calls back from other goroutines,
// but none of these writes after RoundTrip returned: it waits for its writer.
func (p *progress) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      p.getConn,
		GotConn:      p.gotConn,
		WroteHeaders: func() { p.headers.Store(true) },
		WroteRequest: func(i httptrace.WroteRequestInfo) { p.whole.Store(i.Err == nil) },
	})
}

// getConn is called before each try of net/http.
func (p *progress) getConn(string) {
	if p.once && p.whole.Load() {
		p.repeated.Store(true)
		p.stop()
		return
	}
	p.headers.Store(false) // a first try, or one after nothing was written
	p.whole.Store(false)
}

// gotConn closes the connection of a try that must not be: the cancelled context alone
// may be noticed only after the writing.
func (p *progress) gotConn(info httptrace.GotConnInfo) {
	if p.repeated.Load() {
		_ = info.Conn.Close()
	}
}

// maySent reports whether any byte may have left.
func (p *progress) maySent() bool { return p.headers.Load() || p.repeated.Load() }
