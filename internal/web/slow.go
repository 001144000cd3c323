package web

import (
	"io"
	"net/http"
	"time"
)

const (
	// stallTime is how long an upload or download may make no progress. Its total
	// time is not limited.
	stallTime = time.Minute

	// slowestRate is how many bytes a second a client must send or take on average,
	// so that none holds a database connection for days. It is a tenth of slow mobile
	// networks. The first minute is free.
	slowestRate = 8 << 10
)

// pace is how long a client has kept us waiting, and for how many bytes.
type pace struct {
	waited time.Duration
	bytes  int64
}

// left is how long the client may take for the next piece.
func (p *pace) left() time.Duration {
	earned := time.Duration(float64(p.bytes) / slowestRate * float64(time.Second))
	return min(stallTime, stallTime+earned-p.waited)
}

// wait runs a read or write, and counts its time. The time between is ours.
func (p *pace) wait(do func() (int, error)) (int, error) {
	begun := time.Now()
	n, err := do()
	p.waited += time.Since(begun)
	p.bytes += int64(n)
	return n, err
}

// slowWriter extends the deadline with each piece of a long answer.
type slowWriter struct {
	w       io.Writer
	control *http.ResponseController
	pace    pace
}

// Write implements io.Writer.
func (s *slowWriter) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.pace.left())) // a test's recorder has no deadline
	return s.pace.wait(func() (int, error) { return s.w.Write(b) })
}

// slowReader extends the deadline with each piece of a long request.
type slowReader struct {
	io.ReadCloser

	control *http.ResponseController
	pace    pace
}

// Read implements io.Reader.
func (s *slowReader) Read(b []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(s.pace.left()))
	return s.pace.wait(func() (int, error) { return s.ReadCloser.Read(b) })
}
