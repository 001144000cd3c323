package standin

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Answer replaces the answer by this one. Nothing is applied. A Content-Type that
// header does not give is application/json.
func Answer(status int, header http.Header, body string) Fault {
	return Fault{Name: fmt.Sprintf("answer %d", status), prevents: true, play: func(x *exchange) {
		maps.Copy(x.w.Header(), header)
		if status == http.StatusNoContent || status == http.StatusNotModified {
			x.ends(status) // these have no body and no length of one
			x.w.WriteHeader(status)
			return
		}
		x.answer(reply{status, []byte(body)})
	}}
}

// Status answers with that status and Webflow's error body for it. Nothing is applied.
func Status(status int) Fault { return Answer(status, nil, string(refuse(status).body)) }

// RateLimited answers 429 though the limit is not used up; an empty retryAfter leaves
// that header out. Nothing is applied.
func RateLimited(retryAfter string) Fault {
	return Answer(http.StatusTooManyRequests, retryAfterHeader(retryAfter), string(refuse(http.StatusTooManyRequests).body))
}

// Gateway answers as a gateway before the API does, with a page of HTML: 502, 503 or
// 504. An empty retryAfter leaves that header out. Nothing is applied.
func Gateway(status int, retryAfter string) Fault {
	header := retryAfterHeader(retryAfter)
	header["Content-Type"] = []string{"text/html"}
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	page := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	return Answer(status, header, page)
}

func retryAfterHeader(s string) http.Header {
	h := http.Header{}
	if s != "" {
		h.Set("Retry-After", s)
	}
	return h
}

// Redirect answers with a redirect. Nothing is applied.
func Redirect(status int, location string) Fault {
	return Answer(status, http.Header{"Location": {location}}, "")
}

// OtherID applies the change and answers with another asset's id.
func OtherID(id string) Fault {
	return Fault{Name: "other id", play: func(x *exchange) {
		x.reply.body = bytes.ReplaceAll(x.reply.body, []byte(x.request.assetID()), []byte(id))
		x.answer(x.reply)
	}}
}

// OtherName applies another name than the one sent, as a server that normalises does.
func OtherName(name string) Fault { return Fault{Name: "other name", rename: &name} }

// CutJSON applies the change and answers with the first half of the JSON, as if that
// were all of it.
func CutJSON() Fault {
	return Fault{Name: "cut JSON", play: func(x *exchange) {
		x.reply.body = x.reply.body[:len(x.reply.body)/2]
		x.answer(x.reply)
	}}
}

// Delay makes the call take effect later by d, even if its client has gone by then.
func Delay(d time.Duration) Fault { return Fault{Name: "delay", delay: d} }

// Hang never answers: it ends with the client's going or with the Server. Nothing is
// applied.
func Hang() Fault {
	return Fault{Name: "hang", prevents: true, lingers: true, play: func(x *exchange) {
		select {
		case <-x.r.Context().Done():
		case <-x.s.done:
		}
		x.ends(0)
		panic(http.ErrAbortHandler)
	}}
}

// ResetBeforeHeaders breaks the connection without an answer. Nothing is applied.
func ResetBeforeHeaders() Fault {
	return Fault{Name: "reset before headers", prevents: true, play: func(x *exchange) {
		x.ends(0)
		conn := x.hijack()
		reset(conn)
	}}
}

// CloseBeforeHeaders ends the connection in good order without an answer. Nothing is
// applied.
func CloseBeforeHeaders() Fault {
	return Fault{Name: "close before headers", prevents: true, play: func(x *exchange) {
		x.ends(0)
		_ = x.hijack().Close()
	}}
}

// ResetInBody applies the change and breaks the connection in the middle of the answer.
func ResetInBody() Fault {
	return Fault{Name: "reset in body", play: func(x *exchange) { reset(x.half()) }}
}

// CloseInBody applies the change and ends the connection in the middle of the answer.
func CloseInBody() Fault {
	return Fault{Name: "close in body", play: func(x *exchange) { _ = x.half().Close() }}
}

// half sends the headers and the first half of the body.
func (x *exchange) half() net.Conn {
	x.ends(x.reply.status)
	conn := x.hijack()
	_, _ = conn.Write(append(x.head(), x.reply.body[:len(x.reply.body)/2]...))
	return conn
}

// head is the answer's head in bytes, for a hijacked connection.
func (x *exchange) head() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", x.reply.status, http.StatusText(x.reply.status))
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(x.reply.body)))
	_ = h.Write(&b) // a bytes.Buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// hijack takes the connection over. Where that cannot be (HTTP/2), the call ends as
// broken.
func (x *exchange) hijack() net.Conn {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}

// reset closes with RST and not with FIN: the kernel does that when it may not linger.
func reset(conn net.Conn) {
	inner := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		inner = t.NetConn()
	}
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = inner.Close()
}

// SlowHeaders applies the change and sends the answer byte by byte from the first on.
func SlowHeaders(every time.Duration) Fault {
	return Fault{Name: "slow headers", lingers: true, play: func(x *exchange) {
		conn := x.hijack()
		defer conn.Close() //nolint:errcheck // all is said
		x.drip(conn, append(x.head(), x.reply.body...), every)
		x.ends(x.reply.status)
	}}
}

// SlowBody applies the change and sends the body byte by byte.
func SlowBody(every time.Duration) Fault {
	return Fault{Name: "slow body", lingers: true, play: func(x *exchange) {
		x.w.Header().Set("Content-Type", "application/json")
		x.w.WriteHeader(x.reply.status)
		if !x.drip(flusher{x.w, http.NewResponseController(x.w)}, x.reply.body, every) {
			panic(http.ErrAbortHandler) // returning would end the body in good order
		}
		x.ends(x.reply.status)
	}}
}

// drip ends early when the client goes or the Server closes. It reports whether all
// was sent.
func (x *exchange) drip(w io.Writer, b []byte, every time.Duration) bool {
	for i := range b {
		if _, err := w.Write(b[i : i+1]); err != nil || !x.s.wait(every) {
			return false
		}
	}
	return true
}

type flusher struct {
	io.Writer
	c *http.ResponseController
}

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.c.Flush()
	}
	return n, err
}

// HugeBody applies the change and answers with n MiB of JSON: white space, which JSON
// allows before and after anything.
func HugeBody(n int) Fault {
	return Fault{Name: "huge body", lingers: true, play: func(x *exchange) {
		x.repeat(bytes.Repeat([]byte(" "), 1<<20), n)
	}}
}

// GzipBomb applies the change and answers with n MiB of JSON in n KiB: a gzip stream may
// have many members, each a thousandth of what it becomes.
func GzipBomb(n int) Fault {
	return Fault{Name: "gzip bomb", lingers: true, play: func(x *exchange) {
		var member bytes.Buffer
		z := gzip.NewWriter(&member)
		_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20)) // a bytes.Buffer takes everything
		_ = z.Close()
		x.w.Header().Set("Content-Encoding", "gzip")
		x.repeat(member.Bytes(), n)
	}}
}

// repeat answers with block n times, or until the client has had enough.
func (x *exchange) repeat(block []byte, n int) {
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	for range n {
		if _, err := x.w.Write(block); err != nil {
			break
		}
	}
	x.ends(http.StatusOK)
}
