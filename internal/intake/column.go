package intake

import "strings"

// column is one of the columns relabel reads.
type column int

const (
	colAssetID column = iota
	colDisplayName
	colLocaleID
	colLocale
	colAltText
	colExpectedName
	numColumns
	colNone column = -1 // the whole row
)

// Columns lists the columns relabel reads, in the order they are documented.
func Columns() []string {
	return []string{"asset_id", "display_name", "locale_id", "locale", "alt_text", "expected_name"}
}

func (c column) String() string {
	if c < 0 || c >= numColumns {
		return ""
	}
	return Columns()[c]
}

// ResultsColumns is the header of `relabel results --format csv`. A file with these columns is known as relabel's own
// export, and its cells are read through Restore.
func ResultsColumns() []string {
	return []string{
		"line", "asset_id", "locale_id", "display_name", "alt_text", "status", "http_status", "attempts",
		"applied_name", "error", "finished_at",
	}
}

// PullColumns is the header of `relabel pull`, known in the same way. A folder column may stand among them.
func PullColumns() []string {
	return []string{
		"asset_id", "display_name", "alt_text", "locale_id", "original_file_name", "content_type", "size", "hosted_url",
	}
}

// VerifyColumns is the header of `relabel verify -o`, known in the same way.
func VerifyColumns() []string {
	return []string{
		"line", "asset_id", "locale_id", "found", "display_name", "found_name", "alt_text", "found_alt_text", "by_batch", "last_updated",
	}
}

// columnNamed finds the column a header stands for, or colNone.
func columnNamed(header string) column {
	name := fold(header)
	for c, known := range Columns() {
		if fold(known) == name {
			return column(c)
		}
	}
	return colNone
}

// fold makes assetId, asset_id, ASSET_ID and " Asset_Id " the same. Spaces inside a name stay: "Asset ID" is somebody's
// own heading, which --map names.
func fold(header string) string {
	return strings.ToLower(strings.ReplaceAll(trim(header), "_", ""))
}

// looksLike finds a column that a heading could stand for, to suggest a mapping.
func looksLike(header string) column {
	return columnNamed(strings.NewReplacer(" ", "", "-", "", ".", "", "#", "").Replace(header))
}
