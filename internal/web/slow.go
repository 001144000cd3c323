package web

import (
	"io"
	"net/http"
	"time"
)

// stallTime is how long an upload or download may make no progress. Its total
// time is not limited.
const stallTime = time.Minute

// slowWriter extends the deadline with each piece of a long answer.
type slowWriter struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (s *slowWriter) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(stallTime)) // a test's recorder has no deadline
	return s.w.Write(b)
}

// slowReader extends the deadline with each piece of a long request.
type slowReader struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (s *slowReader) Read(b []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(stallTime))
	return s.ReadCloser.Read(b)
}
