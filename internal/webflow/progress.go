package webflow

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// progress records how far a call got. So an error can say whether the call may have
// reached the API.
//
// It also prevents a second call. When a reused connection breaks without an answer,
// net/http sends a GET again by itself, and the throttle would not know of that call.
// It sends a PATCH again only if not a byte was written, which is harmless.
type progress struct {
	once   bool            // never send again what was sent
	caller context.Context // the caller's own; its Err may know more than its timer
	ctx    context.Context // the call's
	stop   func()          // cancels ctx

	conn     *callConn   // of the present attempt; nil on a test's own transport
	sent     atomic.Bool // bytes were written to the kernel
	whole    atomic.Bool // the whole request was written, at least into a buffer
	repeated atomic.Bool // net/http tried to send it again
	refused  atomic.Bool // a write was refused, because the call had ended
}

// watch returns a context that reports to p. net/http reports from other goroutines,
// but not after RoundTrip has returned, because RoundTrip waits for its writer.
func (p *progress) watch() context.Context {
	return httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{
		GetConn:      p.getConn,
		GotConn:      p.gotConn,
		WroteHeaders: p.wroteHeaders,
		WroteRequest: func(i httptrace.WroteRequestInfo) { p.whole.Store(i.Err == nil) },
		PutIdleConn:  p.putIdleConn,
	})
}

// getConn is called before each attempt of net/http.
func (p *progress) getConn(string) {
	if p.once && p.whole.Load() {
		p.repeated.Store(true)
		p.stop()
		return
	}
	p.sent.Store(false) // the first attempt, or nothing was written before
	p.whole.Store(false)
}

// gotConn closes the connection if net/http tries to send the call again. It might
// notice the cancelled context only after it has written. A connection that is no
// callConn does not check its writes, so the end of the right to call is checked here.
func (p *progress) gotConn(info httptrace.GotConnInfo) {
	if p.conn = callConnOf(info.Conn); p.conn != nil {
		p.conn.begin(p)
	}
	if p.repeated.Load() || p.conn == nil && p.stopIfEnded() != nil {
		_ = info.Conn.Close()
	}
}

// wroteHeaders is called when the headers are buffered. On a connection that is not a
// callConn, nothing later can be observed.
func (p *progress) wroteHeaders() {
	if p.conn == nil {
		p.sent.Store(true)
	}
}

// putIdleConn is called after the whole answer was read.
func (p *progress) putIdleConn(error) {
	if p.conn != nil {
		p.conn.end(p)
	}
}

// timeLeft returns how long the call may still take. Every call has a deadline.
func (p *progress) timeLeft() time.Duration {
	end, _ := p.ctx.Deadline()
	return time.Until(end)
}

// stopIfEnded returns an error if nothing of the call may be written any more. It also cancels
// the call then, because net/http would otherwise try another connection.
//
// It calls Err of the caller's context. Waiting for Done is not enough: timers stop
// while the process is stopped or the machine sleeps, and fire some time after the
// wake-up (see throttle.Deadline).
func (p *progress) stopIfEnded() error {
	if p.caller.Err() != nil {
		p.stop()
	}
	err := p.ctx.Err()
	if err != nil {
		p.refused.Store(true)
	}
	return err
}

// cause returns the context's error if the call's end is the cause of err. After a
// refused write, net/http may report the broken connection instead.
func (p *progress) cause(err error) error {
	if p.refused.Load() {
		return p.ctx.Err()
	}
	return contextError(p.ctx, err)
}

// mayHaveArrived reports whether any byte may have reached the API.
func (p *progress) mayHaveArrived() bool { return p.sent.Load() || p.repeated.Load() }
