package web

import (
	"io"
	"net/http"
	"time"
)

// stallTime is how long a download or an upload may stand still: it may take as
// long as it needs, as long as it moves.
const stallTime = time.Minute

// slowWriter gives each piece of a long answer a time of its own.
type slowWriter struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (s *slowWriter) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(stallTime)) // a test's recorder has none
	return s.w.Write(b)
}

// slowReader does the same for a long request.
type slowReader struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (s *slowReader) Read(b []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(stallTime))
	return s.ReadCloser.Read(b)
}
