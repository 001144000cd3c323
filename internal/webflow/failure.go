package webflow

import (
	"cmp"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
)

// statusError makes the error for any status except 200. Only the status decides its
// kind, so the body may be incomplete.
func (c *Client) statusError(meta Meta, resp *http.Response, body []byte) *Error {
	e := &Error{Kind: kindOf(meta.Status), Meta: meta}
	switch e.Kind {
	case KindRedirected:
		e.Message = c.clean("redirected to " + redirectTarget(resp) + "; redirects are never followed")
		return e
	case KindBadAnswer:
		e.Message = fmt.Sprintf("the API answered %d, but only 200 means success", meta.Status)
		return e
	}
	code, message := parseErrorBody(c.truncate(body))
	e.Code = c.token.clean(code, maxCode)
	e.Message = c.clean(message)
	if e.Message == "" {
		e.Message = cmp.Or(http.StatusText(meta.Status), "status "+strconv.Itoa(meta.Status)+" without a message")
	}
	return e
}

// truncate shortens a body to maxError minus the length of a token. A token that
// readBody cut in half would not be recognised and removed.
func (c *Client) truncate(body []byte) []byte {
	if len(body) < maxError {
		return body
	}
	return body[:max(0, maxError-c.token.length())]
}

// redirectTarget returns the target of a redirect without its query, which may hold
// secrets.
func redirectTarget(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return u.String()
}

// noAnswerError makes the error for a call without an answer.
func (c *Client) noAnswerError(meta Meta, sent *progress, err error) *Error {
	e := &Error{Kind: KindNotSent, Meta: meta, cause: contextCause(err), Message: c.clean(describe(err))}
	if sent.mayHaveArrived() {
		e.Kind = KindUnknown
	}
	if sent.repeated.Load() {
		e.cause, e.Message = nil, "the connection broke without an answer"
	}
	return e
}

// bodyError makes the error for a 200 whose body could not be read.
func (c *Client) bodyError(meta Meta, err error) *Error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return c.badAnswer(meta, err.Error())
	}
	return &Error{Kind: KindUnknown, Meta: meta, cause: contextCause(err), Message: c.clean(describe(err))}
}

func (c *Client) badAnswer(meta Meta, message string) *Error {
	return &Error{Kind: KindBadAnswer, Meta: meta, Message: c.clean(message)}
}

func (c *Client) clean(message string) string { return c.token.clean(message, maxMessage) }

// contextError returns ctx.Err() if err is the cause that ctx was cancelled with.
// net/http returns that cause, and River cancels jobs with a cause of its own that is
// not context.Canceled.
func contextError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return ctx.Err()
	}
	return err
}

func contextCause(err error) error {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return nil
}

// describe returns the same text for the same cause, so that errors can be counted by
// their message. So it leaves out our own port, which changes with every connection.
func describe(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within the call's time"
	case errors.Is(err, context.Canceled):
		return "stopped by us"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the answer was cut short"
	case errors.Is(err, io.EOF):
		return "the connection was closed without an answer"
	case errors.As(err, &op) && op.Source != nil:
		return "the connection broke: " + withoutCall(op.Err)
	}
	return err.Error()
}

// withoutCall leaves out the name of the system call, which a [net.OpError] also has.
func withoutCall(err error) string {
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		return sys.Err.Error()
	}
	return err.Error()
}
