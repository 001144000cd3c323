package webflow

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
)

// call is one request.
type call struct {
	method string
	path   string // below the base URL, escaped
	query  url.Values
	body   []byte // JSON; nil: none
	max    int64  // bytes of the answer, after decompression
}

// do sends one call once, and decodes the body of a 200 into answer. All calls of this
// package go through it. Its error is always an *Error.
//
// It uses the transport without an http.Client, because an http.Client follows
// redirects and keeps cookies. So the token reaches no other host.
func (c *Client) do(caller context.Context, call call, answer any) (Meta, error) {
	ctx, cancel := context.WithTimeout(caller, c.timeout)
	defer cancel()

	sent := &progress{once: call.body == nil, caller: caller, ctx: ctx, stop: cancel}
	meta := Meta{SentAt: c.now()}
	req, err := c.request(sent.watch(), call)
	if err != nil {
		return meta, &Error{Kind: KindInvalid, Meta: meta, Message: c.clean(err.Error())}
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		meta.Duration = c.now().Sub(meta.SentAt)
		return meta, c.noAnswerError(meta, sent, sent.cause(err))
	}
	defer resp.Body.Close() //nolint:errcheck // all that is needed was read

	meta = c.readMeta(resp, meta.SentAt)
	body, err := readBody(resp, bodyLimit(resp.StatusCode, call.max))
	meta.Duration = c.now().Sub(meta.SentAt)
	if resp.StatusCode != http.StatusOK {
		return meta, c.statusError(meta, resp, body)
	}
	if err != nil {
		return meta, c.bodyError(meta, sent.cause(err))
	}
	return meta, c.decode(meta, body, answer)
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	address := c.base + call.path
	if len(call.query) > 0 {
		address += "?" + call.query.Encode()
	}
	var body io.Reader
	if call.body != nil {
		body = bytes.NewReader(call.body) // net/http can send it again if nothing was written
	}
	req, err := http.NewRequestWithContext(ctx, call.method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header["Authorization"] = c.token.reveal().authorization
	req.Header["User-Agent"] = c.userAgent
	req.Header["Accept"] = []string{"application/json"}
	if call.body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	return req, nil
}
