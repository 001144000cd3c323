package webflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

const (
	// maxError bounds an error's body. Webflow's have some 200 bytes, a gateway's
	// page a few KB.
	maxError = 64 << 10

	// maxAnswer bounds one asset or site: an asset has some 1 to 5 KB, most of it the
	// list of its variants.
	maxAnswer = 1 << 20

	// maxPage bounds a page of 100 assets with all their variants.
	maxPage = 16 << 20
)

// errTooLarge is a body beyond its bound.
var errTooLarge = errors.New("the answer is too large")

// bodyLimit is 0 for an informational status: after "101 Switching Protocols" a body
// has no end.
func bodyLimit(status int, limit int64) int64 {
	switch {
	case status == http.StatusOK:
		return limit
	case status < http.StatusOK:
		return 0
	}
	return maxError
}

// readBody reads at most limit bytes, counted after decompression. Reading to the end
// lets the connection be used again; what is larger is dropped with its connection.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if limit == 0 {
		return nil, nil
	}
	if resp.ContentLength > limit && resp.StatusCode == http.StatusOK {
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		// One allocation of the right size; bytes.Buffer wants MinRead more to see the end.
		buf.Grow(int(min(resp.ContentLength, limit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if n > limit {
		return buf.Bytes()[:limit], errTooLarge
	}
	return buf.Bytes(), err
}

// decode puts a 200's body into answer. The check of what is in it is the caller's.
func (c *Client) decode(meta Meta, body []byte, answer any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return c.badAnswer(meta, "the answer is empty")
	}
	err := json.Unmarshal(body, answer)
	if err == nil {
		return nil
	}
	var field *json.UnmarshalTypeError
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		_, page := parseErrorBody(c.wholeTokens(body))
		return c.badAnswer(meta, "the answer is a page and not JSON: "+page)
	case errors.As(err, &field):
		return c.badAnswer(meta, "the answer is not the JSON it should be: "+field.Field+" is a "+field.Value)
	}
	return c.badAnswer(meta, "the answer is not the JSON it should be: "+err.Error())
}
