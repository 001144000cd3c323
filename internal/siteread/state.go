package siteread

import (
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/webflow"
)

// stateOf is what is kept of an asset: hostile text until it is cleaned.
func (r *Reader) stateOf(a webflow.Asset, locale string, readAt time.Time) db.AssetState {
	s := db.AssetState{
		AssetID: a.ID, LocaleID: locale, ReadAt: readAt,
		DisplayName: r.clean(a.DisplayName), OriginalFileName: r.clean(a.OriginalFileName),
		ContentType: r.clean(a.ContentType), Size: int64(a.Size),
		HostedURL: r.clean(string(a.HostedURL)), Folder: r.clean(string(a.FolderID)),
		CreatedOn: storableTime(a.CreatedOn), LastUpdated: storableTime(a.LastUpdated),
	}
	if a.AltText != nil {
		s.AltText = r.clean(*a.AltText)
	}
	return s
}

// clean makes a text of an answer fit to be kept and shown. An API or a proxy may repeat the
// Authorization header in it.
func (r *Reader) clean(text string) string { return r.cfg.Site.Client.Redact(storable(text)) }

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
