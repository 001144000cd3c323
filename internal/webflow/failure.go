package webflow

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// refused maps any status but 200. The status alone decides, so a body that could not
// be read to its end changes nothing.
func (c *Client) refused(meta Meta, resp *http.Response, body []byte) *Error {
	e := &Error{Kind: kindOf(meta.Status), Meta: meta}
	switch e.Kind {
	case KindRedirected:
		e.Message = c.clean("redirected to " + target(resp) + ", which is never followed")
		return e
	case KindBadAnswer:
		e.Message = fmt.Sprintf("answered %d, where only 200 means done", meta.Status)
		return e
	}
	code, message := parseErrorBody(c.wholeTokens(body))
	e.Code = c.token.clean(code, maxCode)
	e.Message = c.clean(message)
	if e.Message == "" {
		e.Message = orDefault(http.StatusText(meta.Status), "status "+strconv.Itoa(meta.Status)+" without a message")
	}
	return e
}

// wholeTokens shortens a body to the bound of an error's, and by a token's length more:
// a token cut in half there would not be recognised.
func (c *Client) wholeTokens(body []byte) []byte {
	if len(body) < maxError {
		return body
	}
	return body[:max(0, maxError-c.token.length())]
}

// target is where a redirect points, without a query, which may hold secrets.
func target(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return u.String()
}

// unanswered is a call without a status.
func (c *Client) unanswered(meta Meta, sent *progress, err error) *Error {
	e := &Error{Kind: KindNotSent, Meta: meta, cause: contextCause(err), Message: c.clean(describe(err))}
	if sent.maySent() {
		e.Kind = KindUnknown
	}
	if sent.repeated.Load() {
		e.cause, e.Message = nil, "the connection broke without an answer"
	}
	return e
}

// unread is a 200 whose body could not be read.
func (c *Client) unread(meta Meta, err error) *Error {
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

// plainEnd gives the end of ctx its own name. net/http answers with the context's
// cause, which is whatever the one who cancelled had in mind: River, when it stops a
// job, an error that is no context.Canceled.
func plainEnd(ctx context.Context, err error) error {
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

// describe says what broke in words that are the same for the same cause, so that
// errors can be counted by their message: no port of ours, which every call has
// another of.
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
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
