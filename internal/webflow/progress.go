package webflow

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// progress knows how far a call got. It is what tells "not sent" from "may have
// landed".
//
// It also keeps a call single. net/http sends a GET again by itself when a connection
// that was used before breaks without an answer: a call the throttle does not know of.
// A PATCH it sends again only when not a byte of it was written, which is harmless.
type progress struct {
	once   bool            // stop a second sending of what was sent
	caller context.Context // as it was given to us: it may know better than its timer
	ctx    context.Context // the call's
	stop   func()          // cancels ctx

	conn     *callConn   // of the present try; nil on a test's own transport
	left     atomic.Bool // bytes were given to the kernel
	whole    atomic.Bool // the request was given to the connection, buffered at least
	repeated atomic.Bool
	refused  atomic.Bool // a write, as the call was over
}

// watch gives a context that reports to p. net/http calls back from other goroutines,
// but none of these writes after RoundTrip returned: it waits for its writer.
func (p *progress) watch() context.Context {
	return httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{
		GetConn:      p.getConn,
		GotConn:      p.gotConn,
		WroteHeaders: p.wroteHeaders,
		WroteRequest: func(i httptrace.WroteRequestInfo) { p.whole.Store(i.Err == nil) },
		PutIdleConn:  p.putIdleConn,
	})
}

// getConn is called before each try of net/http.
func (p *progress) getConn(string) {
	if p.once && p.whole.Load() {
		p.repeated.Store(true)
		p.stop()
		return
	}
	p.left.Store(false) // a first try, or one after nothing was written
	p.whole.Store(false)
}

// gotConn closes the connection of a try that must not be: the cancelled context alone
// may be noticed only after the writing.
func (p *progress) gotConn(info httptrace.GotConnInfo) {
	if p.conn = callConnOf(info.Conn); p.conn != nil {
		p.conn.begin(p)
	}
	if p.repeated.Load() {
		_ = info.Conn.Close()
	}
}

// wroteHeaders is told when they are buffered. A connection that is not ours does not
// tell more.
func (p *progress) wroteHeaders() {
	if p.conn == nil {
		p.left.Store(true)
	}
}

// putIdleConn is told after the whole answer was read.
func (p *progress) putIdleConn(error) {
	if p.conn != nil {
		p.conn.end(p)
	}
}

// timeLeft is how long the call may still take: all calls have an end.
func (p *progress) timeLeft() time.Duration {
	end, _ := p.ctx.Deadline()
	return time.Until(end)
}

// over tells why nothing of the call may be written any more, and ends the call then:
// net/http would take another connection for what was not written on this one.
//
// The caller's context is asked, and not only waited for: timers stand still while a
// process is stopped or the machine asleep, and fire some time after (see
// throttle.Deadline).
func (p *progress) over() error {
	if p.caller.Err() != nil {
		p.stop()
	}
	err := p.ctx.Err()
	if err != nil {
		p.refused.Store(true)
	}
	return err
}

// plainEnd gives a call's end its own name: net/http may have met the connection's end
// before the refusal that caused it.
func (p *progress) plainEnd(err error) error {
	if p.refused.Load() {
		return p.ctx.Err()
	}
	return plainEnd(p.ctx, err)
}

// maySent reports whether any byte may have left.
func (p *progress) maySent() bool { return p.left.Load() || p.repeated.Load() }
