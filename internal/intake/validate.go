package intake

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	show "relabel/internal/text"
)

const (
	// maxName is far above any file name (at most 255 characters on every file system). It stops a column that swallowed
	// another one. The API documents no limit; a name that it finds too long is for the API to refuse.
	maxName = 4 << 10
	// maxAltText is the same for descriptions, which may be paragraphs.
	maxAltText = 16 << 10
	// idDigits is the length of the API's object ids.
	idDigits = 24
)

// cells are a row's cells by column. NULL and a missing column are the empty string.
type cells [numColumns + 2]string

// These cells follow those of the columns. They are not blank if the source has the marker of an emptied text (UseEmpty)
// in alt_text, or in display_name.
const (
	cellEmptyAlt  = numColumns
	cellEmptyName = numColumns + 1
)

func (c *cells) setNothing() bool {
	return trim(c[colDisplayName]) == "" && trim(c[colAltText]) == "" && c[cellEmptyAlt] == ""
}

// validator turns cells into rows, for every kind of source. Each goroutine needs its own.
type validator struct {
	locales LocaleResolver
	namedBy column   // colAssetID, or the column in its place
	pulled  bool     // `relabel pull` wrote the file, so its names are names that assets have
	texts   []string // what the rows' pointers point to: one allocation for a chunk, not one for a cell
}

// fill validates the cells into row. A row that is already refused may have shifted cells, so it is only made storable.
func (v *validator) fill(row *Row, c *cells) {
	if !row.Refused() {
		if v.namedBy == colAssetID {
			v.assetID(row, c[colAssetID])
		} else {
			v.name(row, c)
		}
		v.locale(row, c[colLocaleID], c[colLocale])
		if c.setNothing() {
			row.refuse(colNone, c.saidAsset(), "the row sets nothing: give display_name or alt_text")
		}
		v.displayName(row, c)
		if c[cellEmptyAlt] == "" {
			v.text(row, colAltText, c[colAltText])
		}
		v.text(row, colExpectedName, c[colExpectedName])
	}
	if row.Refused() {
		makeStorable(row, c)
	}
	row.DisplayName = v.value(c[colDisplayName])
	row.AltText = v.altText(c)
	row.ExpectedName = v.value(c[colExpectedName])
}

// makeStorable keeps what the source said, for the report on a refused row.
func makeStorable(row *Row, c *cells) {
	locale := c[colLocaleID]
	if trim(locale) == "" {
		locale = c[colLocale]
	}
	row.AssetID = storable(c.saidAsset(), 4*shownRunes)
	row.LocaleID = storable(trim(locale), 4*shownRunes)
	c[colDisplayName] = storable(c[colDisplayName], maxName)
	c[colAltText] = storable(c[colAltText], maxAltText)
	c[colExpectedName] = storable(c[colExpectedName], maxName)
}

// storable makes a text fit for a text column of PostgreSQL: valid UTF-8 without NUL, at most limit bytes.
func storable(text string, limit int) string {
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// value is nil for a blank cell, else the cell byte for byte.
func (v *validator) value(cell string) *string {
	if trim(cell) == "" {
		return nil
	}
	return v.pointer(cell)
}

func (v *validator) pointer(text string) *string {
	v.texts = append(v.texts, text) // growing moves only later texts; pointers to earlier ones stay good
	return &v.texts[len(v.texts)-1]
}

func (v *validator) assetID(row *Row, cell string) {
	id := trim(cell)
	lower, ok := objectID(id)
	if row.AssetID = lower; ok {
		return
	}
	message := "an asset id has 24 hexadecimal digits, nothing but 0-9 and a-f"
	switch {
	case id == "":
		message = "no asset id: give the asset's id, 24 hexadecimal digits"
	case looksLikeNumber(id):
		message = "a spreadsheet made a number of the asset id: format the column as text and paste the ids again"
	case len(id) != idDigits:
		message = fmt.Sprintf("an asset id has 24 hexadecimal digits (0-9, a-f), this has %d characters", utf8.RuneCountInString(id))
	}
	row.refuse(colAssetID, cell, message)
}

// looksLikeNumber recognises 6.17E+23, as which a spreadsheet shows an id of digits with an e among them.
func looksLikeNumber(id string) bool {
	return len(id) < idDigits && strings.ContainsAny(id, "eE") && strings.Contains(id, "+") &&
		strings.Trim(id, "0123456789.,eE+") == ""
}

// objectID checks for 24 hexadecimal digits and lowers them. In upper case it is the same id, and must not become another
// target: two names for one asset would then lose their order.
func objectID(id string) (lower string, ok bool) {
	if len(id) != idDigits {
		return "", false
	}
	upper := false
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			upper = true
		default:
			return "", false
		}
	}
	if upper {
		id = strings.ToLower(id)
	}
	return id, true
}

func isID(text string) bool {
	_, ok := objectID(text)
	return ok
}

// locale reads locale_id and locale. Both may be given if they mean the same.
func (v *validator) locale(row *Row, id, tag string) {
	if id == "" && tag == "" {
		return
	}
	byID, okID := v.resolve(row, colLocaleID, id)
	byTag, okTag := v.resolve(row, colLocale, tag)
	switch {
	case !okID || !okTag:
	case trim(id) == "":
		row.LocaleID = byTag
	case trim(tag) == "" || byID == byTag:
		row.LocaleID = byID
	default:
		row.refuse(colLocale, tag, fmt.Sprintf("locale_id says %s, locale says another one: leave one of them blank", Clean(trim(id))))
	}
}

func (v *validator) resolve(row *Row, col column, cell string) (string, bool) {
	cell = trim(cell)
	id, isID := objectID(cell)
	var err error
	switch {
	case cell == "":
		return "", true
	case col == colLocaleID && !isID:
		err = errors.New("a locale id has 24 hexadecimal digits: put tags such as fr-FR in a column named locale")
	case v.locales != nil:
		id, err = v.locales(cell)
	case !isID:
		err = errors.New("a locale can be looked up only when the site's id is known: set the site's id, or give locale_id")
	}
	if err != nil {
		row.refuse(col, cell, err.Error())
	}
	return id, err == nil
}

// text checks a name or an alt text.
func (v *validator) text(row *Row, col column, cell string) {
	limit := maxName
	if col == colAltText {
		limit = maxAltText
	}
	if len(cell) > limit {
		row.refuse(col, cell, fmt.Sprintf("longer than %s bytes (%s): shorten it, or look for a missing separator or quote",
			show.Number(int64(limit)), show.Number(int64(len(cell)))))
		return
	}
	if !plain(cell) {
		v.runes(row, col, cell)
	}
	if col != colExpectedName {
		warnOfSpaces(row, col, cell)
	}
}

// warnOfSpaces is for what cannot be seen around a text and is sent with it.
func warnOfSpaces(row *Row, col column, cell string) {
	switch trim(cell) {
	case cell:
	case "":
		row.warn(col, cell, "only spaces: taken as blank, so this is left alone")
	default:
		row.warn(col, cell, "spaces around the text are kept and sent: delete them unless they are meant")
	}
}

// runes looks at a text that is not plain ASCII. An expected name is compared and not sent, so it may be whatever a name
// can be, except for NUL, which no database column takes.
func (v *validator) runes(row *Row, col column, cell string) {
	var warned, damaged bool
	at := 0
	for _, r := range cell {
		at++
		switch {
		case r >= ' ' && r <= '~':
		case r == 0:
			row.refuse(col, cell, fmt.Sprintf("character %d is NUL: delete it, or save the file again as \"CSV UTF-8\"", at))
			return
		case col == colExpectedName:
		case unicode.IsControl(r) && (col != colAltText || !strings.ContainsRune("\n\r\t", r)):
			if v.pulled {
				row.warn(col, cell, controlMessage(r, at))
			} else {
				row.refuse(col, cell, controlMessage(r, at))
			}
			return
		case isOverride(r) && !warned:
			warned = true
			row.warn(col, cell, fmt.Sprintf("character %d turns the text direction (U+%04X): the name reads differently from what it is", at, r))
		case r == unicode.ReplacementChar && !damaged:
			damaged = true
			row.warn(col, cell, fmt.Sprintf("character %d is U+FFFD: the text lost a character before it came here", at))
		}
	}
}

func controlMessage(r rune, at int) string {
	switch r {
	case '\n', '\r':
		return fmt.Sprintf("character %d is a line break: a name is one line, delete it", at)
	case '\t':
		return fmt.Sprintf("character %d is a tab: put a space", at)
	}
	return fmt.Sprintf("character %d is the control character U+%04X: delete it", at, r)
}
