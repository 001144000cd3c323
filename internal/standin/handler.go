package standin

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxBody is far above any Update Asset.
const maxBody = 1 << 20

// exchange is one call on its way through the Server.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	request request
	index   int // in the log
	reply   reply
}

// ServeHTTP handles one call: arrival, limit, token, fault, latency, change, answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, w: w, r: r, request: parse(r)}
	within := x.arrive()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		x.ends(0) // the client went away, or sent what is no Update Asset
		panic(http.ErrAbortHandler)
	}
	fault, wait, admitted := x.admit(within, body)
	if !admitted {
		x.answer(x.reply)
		return
	}
	wait += fault.delay
	if fault.lingers || wait > 0 {
		// The end of a call whose client has gone is its going.
		defer context.AfterFunc(r.Context(), func() { x.ends(0) })()
	}
	if !s.wait(wait) {
		panic(http.ErrAbortHandler)
	}
	x.apply(fault)
	if fault.play != nil {
		fault.play(x)
		return
	}
	x.answer(x.reply)
}

// arrive writes the call down and counts it. It reports whether it is within the limit.
func (x *exchange) arrive() bool {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	x.index = s.arrived(x.r, &x.request, now)
	return s.limit(x.w.Header(), s.calls[x.index].Token, now)
}

// admit completes the log's entry and decides what is in store for the call. A call
// beyond the limit or with a wrong token meets no fault.
func (x *exchange) admit(within bool, body []byte) (f Fault, wait time.Duration, admitted bool) {
	s := x.s
	x.request.read(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.calls[x.index]
	change := x.request.change
	c.LocaleInBody, c.DisplayName, c.AltText = change.LocaleID, change.DisplayName, change.AltText
	switch state := s.tokens.state(c.Token); {
	case !within:
		x.reply = refuse(http.StatusTooManyRequests)
		return f, 0, false
	case state == TokenInvalid:
		x.reply = refuse(http.StatusUnauthorized)
		return f, 0, false
	case state == TokenForbidden:
		x.reply = refuse(http.StatusForbidden)
		return f, 0, false
	}
	f = s.faults.next(c.AssetID, s.rand)
	c.Fault = f.Name
	wait = s.latency
	if s.jitter > 0 {
		wait += time.Duration(s.rand.Int64N(int64(s.jitter)))
	}
	return f, wait, true
}

// apply does what was asked, unless the fault prevents it.
func (x *exchange) apply(f Fault) {
	if f.prevents {
		return
	}
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.rename != nil && x.request.change.DisplayName != nil {
		x.request.change.DisplayName = f.rename
	}
	var applied bool
	x.reply, applied = s.serve(&x.request, x.r)
	if applied {
		s.applied++
		c := &s.calls[x.index]
		c.Applied, c.AppliedOrder = true, s.applied
	}
}

// ends notes the call's end. It comes before the first byte of an answer: with that
// byte the client may send its next call.
func (x *exchange) ends(status int) { x.s.ended(x.index, status) }

func (x *exchange) answer(r reply) {
	h := x.w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	x.ends(r.status)
	x.w.WriteHeader(r.status)
	_, _ = x.w.Write(r.body) // the client may have gone
}

// wait lets time pass, whether or not the client stays: a call delayed inside the API
// takes effect all the same. It reports whether the Server is still open.
func (s *Server) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}
