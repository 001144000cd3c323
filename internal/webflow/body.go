package webflow

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

const (
	// maxError limits an error's body. Webflow's errors have about 200 bytes, a
	// gateway's page has a few KB.
	maxError = 64 << 10

	// maxAnswer limits one asset or site. An asset has 1 to 5 KB, mostly the list of
	// its variants.
	maxAnswer = 1 << 20

	// maxPage limits a page of 100 assets with all their variants.
	maxPage = 16 << 20
)

// errTooLarge is returned for a body above its limit.
var errTooLarge = errors.New("the answer is too large")

// bodyLimit is 0 for an informational status, because a body has no end after
// "101 Switching Protocols".
func bodyLimit(status int, limit int64) int64 {
	switch {
	case status == http.StatusOK:
		return limit
	case status < http.StatusOK:
		return 0
	}
	return maxError
}

// readBody reads at most limit bytes, counted after decompression. A body that is read
// to its end leaves the connection reusable; a larger one closes the connection.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if limit == 0 {
		return nil, nil
	}
	if resp.ContentLength > limit && resp.StatusCode == http.StatusOK {
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		// One allocation of the right size. bytes.Buffer needs MinRead more to see the end.
		buf.Grow(int(min(resp.ContentLength, limit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if n > limit {
		return buf.Bytes()[:limit], errTooLarge
	}
	return buf.Bytes(), err
}

// decode decodes the body of a 200 into answer. The caller checks the content.
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
		_, page := parseErrorBody(c.truncate(body))
		return c.badAnswer(meta, "the answer is an HTML page, not JSON: "+page)
	case errors.As(err, &field):
		return c.badAnswer(meta, "the answer is not the expected JSON: "+cmp.Or(field.Field, "it")+" is of type "+field.Value)
	}
	return c.badAnswer(meta, "the answer is not the expected JSON: "+err.Error())
}
