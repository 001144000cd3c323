package webflow

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxEntries bounds the entries of a page. An entry of 3 bytes, "{},", takes 60 times as
// many when it is decoded, and a page may have 16 MiB. An API that ignores the limit of 100
// and sends all folders of a site is still read.
const maxEntries = 10_000

// entries are those of a page, maxEntries at most.
type entries[T any] []T

// UnmarshalJSON reads an array, or null, and stops at the first entry too many.
func (e *entries[T]) UnmarshalJSON(b []byte) error {
	*e = nil
	if b[0] != '[' {
		return json.Unmarshal(b, (*[]T)(e)) // null, or the usual error
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return err
	}
	list := []T{} // an empty page is a page
	for dec.More() {
		if len(list) == maxEntries {
			return fmt.Errorf("it has more than %d entries", maxEntries)
		}
		var one T
		if err := dec.Decode(&one); err != nil {
			return err
		}
		list = append(list, one)
	}
	*e = list
	return nil
}
