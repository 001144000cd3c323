package siteread

import (
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/webflow"
)

// stateOf is what is kept of an asset: hostile text until it is cleaned.
func stateOf(a webflow.Asset, locale string, readAt time.Time) db.AssetState {
	s := db.AssetState{
		AssetID: a.ID, LocaleID: locale, ReadAt: readAt,
		DisplayName: storable(a.DisplayName), OriginalFileName: storable(a.OriginalFileName),
		ContentType: storable(a.ContentType), Size: int64(a.Size),
		HostedURL: storable(string(a.HostedURL)), Folder: storable(string(a.FolderID)),
		CreatedOn: storableTime(a.CreatedOn), LastUpdated: storableTime(a.LastUpdated),
	}
	if a.AltText != nil {
		s.AltText = storable(*a.AltText)
	}
	return s
}

// storableTime is nil for a time that PostgreSQL would not take.
func storableTime(at webflow.Timestamp) *time.Time {
	t := at.UTC()
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return &t
}

// maxText is above the longest value that intake takes, in bytes.
const maxText = 64 << 10

// storable is text that PostgreSQL takes: no NUL, valid UTF-8, of bounded length.
func storable(text string) string {
	text = strings.ReplaceAll(text, "\x00", "")
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
