package webflow

import (
	"bytes"
	"encoding/json"
	"time"
)

// Asset is what relabel uses of an asset. The rest of an answer is skipped.
type Asset struct {
	ID               string    `json:"id"`
	SiteID           string    `json:"siteId"`
	DisplayName      string    `json:"displayName"`
	OriginalFileName string    `json:"originalFileName"`
	ContentType      string    `json:"contentType"`
	AltText          *string   `json:"altText"` // nil: there is none
	LastUpdated      Timestamp `json:"lastUpdated"`
	HostedURL        Remark    `json:"hostedUrl"`
	ParentFolder     Remark    `json:"parentFolder"`
	Size             Size      `json:"size"` // bytes
}

// Remark is a text that is only shown to people: one that is missing or no text is
// empty, and no reason to take a done call for a failed one.
type Remark string

// UnmarshalJSON reads a string, and takes anything else for none.
func (r *Remark) UnmarshalJSON(b []byte) error {
	var text string
	_ = json.Unmarshal(b, &text)
	*r = Remark(text)
	return nil
}

// Size is a number that is only shown to people, as Remark.
type Size int64

// UnmarshalJSON reads a whole number, and takes anything else for 0.
func (n *Size) UnmarshalJSON(b []byte) error {
	var size int64
	_ = json.Unmarshal(b, &size)
	*n = Size(max(size, 0))
	return nil
}

// Timestamp is a time that is only kept for people: one that is missing or in another
// form is the zero time, and no reason to take a done call for a failed one.
type Timestamp struct{ time.Time }

// UnmarshalJSON reads RFC 3339, the form of the API's date-time.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	t.Time, _ = time.Parse(time.RFC3339, string(bytes.Trim(b, `"`)))
	return nil
}

// MarshalJSON gives null for the zero time.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.Time)
}

// IsObjectID reports whether s is what Webflow calls an objectid: 24 lower-case hex digits.
func IsObjectID(s string) bool {
	if len(s) != 24 {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}
