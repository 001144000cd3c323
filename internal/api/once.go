package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// keyHeader is the header of loads with a key of the client's own.
const keyHeader = "Idempotency-Key"

// ambiguous refuses a request of which only a part would be read: a second status in the
// address, or a stray %, would choose other rows than the client means.
func ambiguous(r *http.Request) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // net/http leaves such a parameter out
		return newProblem(http.StatusUnprocessableEntity, "a parameter can't be read: write % as %25, and ; as %3B")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return newProblem(http.StatusUnprocessableEntity, fmt.Sprintf("the parameter %s is there %d times: give it once, and several values with commas between", name, len(query[name])))
		}
	}
	keys := r.Header.Values(keyHeader)
	if len(keys) > 1 {
		return newProblem(http.StatusUnprocessableEntity, "the header "+keyHeader+" is there more than once: send one key with each load")
	}
	if !utf8.ValidString(strings.Join(keys, "")) {
		return newProblem(http.StatusUnprocessableEntity, "the header "+keyHeader+" is not valid UTF-8: use letters and digits")
	}
	return nil
}
