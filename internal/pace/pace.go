// Package pace ends long transfers of clients that are too slow.
//
// A Reader reads a long request, and a Writer writes a long answer. Both move the
// connection's deadline with each piece, so a transfer may take any time while it makes
// progress. A client that stalls, or is slower than SlowestRate, loses its connection.
package pace

import (
	"io"
	"net/http"
	"time"
)

const (
	// stallTime is how long an upload or download may make no progress. Its total
	// time is not limited.
	stallTime = time.Minute

	// SlowestRate is how many bytes a second a client must send or take on average,
	// so that none holds a database connection for days. It is a tenth of slow mobile
	// networks. The first minute is free.
	SlowestRate = 8 << 10
)

// pace counts how long a client has kept us waiting, and for how many bytes.
type pace struct {
	waited time.Duration
	bytes  int64
}

// left is how long the client may take for the next piece.
func (p *pace) left() time.Duration {
	earned := time.Duration(float64(p.bytes) / SlowestRate * float64(time.Second))
	return min(stallTime, stallTime+earned-p.waited)
}

// wait runs a read or write, and counts its time. The time in between is ours and not the
// client's, so it does not count.
func (p *pace) wait(do func() (int, error)) (int, error) {
	begun := time.Now()
	n, err := do()
	p.waited += time.Since(begun)
	p.bytes += int64(n)
	return n, err
}

// Writer extends the deadline with each piece of a long answer.
type Writer struct {
	w       io.Writer
	control *http.ResponseController
	pace    pace
}

// NewWriter writes the body of an answer.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{w: w, control: http.NewResponseController(w)}
}

// Write implements io.Writer.
func (s *Writer) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.pace.left())) // a test's recorder has no deadline
	return s.pace.wait(func() (int, error) { return s.w.Write(b) })
}

// Reader extends the deadline with each piece of a long request.
type Reader struct {
	io.ReadCloser

	control *http.ResponseController
	pace    pace
}

// NewReader reads the body of a request.
func NewReader(w http.ResponseWriter, r *http.Request) *Reader {
	return &Reader{ReadCloser: r.Body, control: http.NewResponseController(w)}
}

// Read implements io.Reader.
func (s *Reader) Read(b []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(s.pace.left()))
	return s.pace.wait(func() (int, error) { return s.ReadCloser.Read(b) })
}
