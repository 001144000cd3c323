package records

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// AssetFilter chooses assets of a site, as relabel last read them in the primary locale.
type AssetFilter struct {
	SiteID     int
	Name       string    // part of the name or of the uploaded file's name, in any case; or a whole id
	Folder     *string   // its id, with all folders below it; "" are the assets in no folder; nil: any
	Type       string    // the content type; image/* are all images; empty: any
	MissingAlt bool      // only those without an alt text
	Since      time.Time // changed then or later
}

// AssetSort is an order of assets. Each has an index.
type AssetSort string

// The orders.
const (
	AssetsByName    AssetSort = "name"
	AssetsByChanged AssetSort = "changed" // the last changed first
)

// key is the SQL of what an order sorts by: an expression of its index.
func (s AssetSort) key() string {
	if s == AssetsByChanged {
		return "coalesce(a.last_updated, timestamptz 'epoch')"
	}
	return "lower(left(a.display_name, 100))"
}

// order is the SQL of the order itself.
func (s AssetSort) order(key, id string) string {
	if s == AssetsByChanged {
		return key + " DESC, " + id + " DESC"
	}
	return key + ", " + id
}

// hit returns the filter as an SQL condition on asset_state a, and adds its arguments.
func (f AssetFilter) hit(args pgx.NamedArgs) string {
	all := []string{"NOT a.gone AND a.read_at >= @began"}
	and := func(wanted bool, sql, name string, value any) {
		if wanted {
			all = append(all, sql)
			args[name] = value
		}
	}
	and(f.Name != "", "(a.asset_id = @name OR position(lower(@name::text) IN lower(a.display_name)) > 0 OR position(lower(@name::text) IN lower(a.original_file_name)) > 0)", "name", f.Name)
	and(f.Folder != nil, "a.folder = ANY (@folders)", "folders", args["folders"])
	family, isFamily := strings.CutSuffix(f.Type, "*")
	and(isFamily, "starts_with(a.content_type, @type)", "type", family)
	and(f.Type != "" && !isFamily, "a.content_type = @type", "type", f.Type)
	and(f.MissingAlt, "a.alt_text = @no_alt", "no_alt", "")
	and(!f.Since.IsZero(), AssetsByChanged.key()+" >= @since", "since", f.Since)
	return strings.Join(all, " AND ")
}

// walk is the SQL that goes through a site's assets in an order, from a place on, and
// through no more than @look of them. The indexes of the page have site_id + 0.
func (f AssetFilter) walk(sort AssetSort, from *assetPlace, args pgx.NamedArgs) string {
	where := "a.site_id + 0 = @site AND a.locale_id = ''"
	if sort == AssetsByChanged && !f.Since.IsZero() { // the index ends there
		where += " AND " + sort.key() + " >= @since"
	}
	if from != nil {
		side := " > "
		if sort == AssetsByChanged {
			side = " < "
		}
		where += " AND (" + sort.key() + ", a.asset_id)" + side + "(" + from.key(args) + ", @id)"
		args["id"] = from.ID
	}
	return "SELECT a.*, " + sort.key() + " AS key FROM asset_state a WHERE " + where + " ORDER BY " + sort.order(sort.key(), "a.asset_id") + " LIMIT @look"
}

// assetPlace is how far a list of assets has come.
type assetPlace struct {
	Sort AssetSort
	Name string    `json:",omitempty"`
	At   time.Time `json:",omitzero"`
	ID   string
}

// key is the SQL of the place's key. PostgreSQL lowers the name, as Go's lower case differs.
func (p assetPlace) key(args pgx.NamedArgs) string {
	if p.Sort == AssetsByChanged {
		args["key"] = p.At
		return "@key::timestamptz"
	}
	args["key"] = p.Name
	return "lower(left(@key::text, 100))"
}

// after is the place of an asset.
func (s AssetSort) after(id, name string, changed *time.Time) string {
	p := assetPlace{Sort: s, ID: id, At: time.Unix(0, 0).UTC()}
	if s == AssetsByName {
		p.Name, p.At = string([]rune(name)[:min(100, utf8.RuneCountInString(name))]), time.Time{}
	} else if changed != nil {
		p.At = changed.UTC()
	}
	return p.String()
}

// String encodes the place as a cursor.
func (p assetPlace) String() string {
	b, _ := json.Marshal(p) // texts and a time: cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseAssetPlace decodes a cursor of the same order. An empty one is the front.
func parseAssetPlace(cursor string, sort AssetSort) (*assetPlace, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // the front, which is no error
	}
	var p assetPlace
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	text := p.Name + p.ID
	if err != nil || p.Sort != sort || !utf8.ValidString(text) || strings.Contains(text, "\x00") || p.At.Year() > 9999 {
		return nil, badFilter("the cursor %q is not one of this list: leave it out to begin at the front", cursor)
	}
	return &p, nil
}
