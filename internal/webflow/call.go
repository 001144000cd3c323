package webflow

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
)

// call is one request, and the bound of its answer's body after decompression.
type call struct {
	method string
	path   string // below the base URL, escaped
	query  url.Values
	body   []byte // JSON; nil: none
	max    int64
}

// do sends one call once and decodes a 200's body into answer. All of the package's
// calls go through here; its error is always an *Error.
//
// It uses the transport without an http.Client around it: following redirects and
// keeping cookies are the client's part, so here nothing can do either, and the token
// arrives nowhere but where it was sent.
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
		return meta, c.unanswered(meta, sent, sent.plainEnd(err))
	}
	defer resp.Body.Close() //nolint:errcheck // it was read as far as it is wanted

	meta = c.readMeta(resp, meta.SentAt)
	body, err := readBody(resp, bodyLimit(resp.StatusCode, call.max))
	meta.Duration = c.now().Sub(meta.SentAt)
	if resp.StatusCode != http.StatusOK {
		return meta, c.refused(meta, resp, body)
	}
	if err != nil {
		return meta, c.unread(meta, sent.plainEnd(err))
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
		body = bytes.NewReader(call.body) // lets net/http start over when nothing was written
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
