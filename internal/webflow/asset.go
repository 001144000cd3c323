package webflow

import (
	"bytes"
	"encoding/json"
	"time"
)

// Asset holds the fields of an asset that relabel uses. Other fields are ignored.
type Asset struct {
	ID               string    `json:"id"`
	SiteID           string    `json:"siteId"`
	DisplayName      string    `json:"displayName"`
	OriginalFileName string    `json:"originalFileName"`
	ContentType      string    `json:"contentType"`
	AltText          *string   `json:"altText"` // nil: the asset has none
	LastUpdated      Timestamp `json:"lastUpdated"`
	CreatedOn        Timestamp `json:"createdOn"`
	HostedURL        Remark    `json:"hostedUrl"`
	FolderID         Remark    `json:"folderId"` // only List Assets has it; empty at the root
	Size             Size      `json:"size"`     // bytes
}

// Remark is a text that is only shown to people. A value that is missing or no string
// is read as "", because it must not make a successful call fail.
type Remark string

// UnmarshalJSON reads a string. Anything else becomes "".
func (r *Remark) UnmarshalJSON(b []byte) error {
	var text string
	_ = json.Unmarshal(b, &text)
	*r = Remark(text)
	return nil
}

// Size is a number that is only shown to people. Like a Remark, it never fails a call.
type Size int64

// UnmarshalJSON reads a whole number. Anything else becomes 0.
func (n *Size) UnmarshalJSON(b []byte) error {
	var size int64
	_ = json.Unmarshal(b, &size)
	*n = Size(max(size, 0))
	return nil
}

// Timestamp is a time that is only shown to people. Like a Remark, it never fails a
// call.
type Timestamp struct{ time.Time }

// UnmarshalJSON reads RFC 3339, the API's format. Anything else becomes the zero time.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	t.Time, _ = time.Parse(time.RFC3339, string(bytes.Trim(b, `"`)))
	return nil
}

// MarshalJSON writes null for the zero time.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.Time)
}

// IsObjectID reports whether s has the form of Webflow's ids: 24 lower-case hex digits.
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
