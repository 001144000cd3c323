package web

import (
	"cmp"
	"maps"
	"net/url"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
)

// noFolder is the form's choice of assets in no folder.
const noFolder = "none"

// assetForm is the filter form of the page of assets.
type assetForm struct {
	Site, Name, Folder, Type, Alt, Since, Sort, View string
}

func assetFormOf(q url.Values) assetForm {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return assetForm{
		Site: cmp.Or(get("site"), db.DefaultSite), Name: get("name"), Folder: get("folder"), Type: get("type"), Alt: get("alt"),
		Since: get("since"), Sort: get("sort"), View: get("view"),
	}
}

// Fields returns the form's fields by name, without the empty ones.
func (f assetForm) Fields() map[string]string {
	all := map[string]string{
		"site": f.Site, "name": f.Name, "folder": f.Folder, "type": f.Type, "alt": f.Alt, "since": f.Since, "sort": f.Sort, "view": f.View,
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// Query returns the form as a URL query.
func (f assetForm) Query() string {
	q := url.Values{}
	for name, value := range f.Fields() {
		q.Set(name, value)
	}
	return q.Encode()
}

// As returns the address of the same list in another view.
func (f assetForm) As(view string) string {
	f.View = view
	return "?" + f.Query()
}

// Set reports whether a field is filled in that leaves assets out.
func (f assetForm) Set() bool { return f.Name+f.Folder+f.Type+f.Alt+f.Since != "" }

// Filter returns what the form asks for.
func (f assetForm) filter(siteID int) (records.AssetFilter, error) {
	out := records.AssetFilter{SiteID: siteID, Name: f.Name, Type: f.Type, MissingAlt: f.Alt == "missing"}
	switch f.Folder {
	case "":
	case noFolder:
		out.Folder = new(string)
	default:
		out.Folder = &f.Folder
	}
	if f.Since == "" {
		return out, nil
	}
	since, err := time.ParseInLocation(time.DateOnly, f.Since, time.Local)
	if err != nil {
		return out, records.FilterError("“changed since” is a day such as 2026-01-31")
	}
	out.Since = since
	return out, nil
}

func (f assetForm) sort() records.AssetSort {
	if f.Sort == string(records.AssetsByChanged) {
		return records.AssetsByChanged
	}
	return records.AssetsByName
}
