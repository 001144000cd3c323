package intake

import (
	"slices"
	"strings"
)

// column is one of the columns that relabel reads.
type column int

const (
	colAssetID column = iota
	colDisplayName
	colLocaleID
	colLocale
	colAltText
	colExpectedName
	colCurrentName
	colOriginalFileName
	colHostedURL
	colFolder
	numColumns
	colNone column = -1 // the whole row
)

// columns lists the columns that relabel reads, in the order of the documentation.
func columns() []string {
	return []string{
		"asset_id", "display_name", "locale_id", "locale", "alt_text", "expected_name",
		"current_name", "original_file_name", "hosted_url", "folder",
	}
}

func (c column) String() string {
	if c == colNone {
		return ""
	}
	return columns()[c]
}

// ResultsColumns is the header of `relabel results --format csv`. A file with these columns counts as relabel's own
// export: the quotes that Neutralise added are taken off its cells.
func ResultsColumns() []string {
	return []string{
		"line", "asset_id", "locale_id", "display_name", "alt_text", "status", "http_status", "attempts",
		"applied_name", "error", "finished_at",
	}
}

// PullColumns is the header of `relabel pull`, also an export. A column named folder may be among them.
func PullColumns() []string {
	return []string{
		"asset_id", "display_name", "alt_text", "locale_id", "original_file_name", "content_type", "size", "hosted_url",
	}
}

// VerifyColumns is the header of `relabel verify -o`, also an export.
func VerifyColumns() []string {
	return []string{
		"line", "asset_id", "locale_id", "found", "display_name", "found_name", "alt_text", "found_alt_text", "by_batch", "last_updated",
	}
}

// IsExport reports whether a line is the header of one of relabel's own exports.
func IsExport(line string) bool {
	names := strings.Split(strings.TrimPrefix(strings.TrimSpace(line), "\ufeff"), ",")
	for _, export := range [][]string{ResultsColumns(), PullColumns(), VerifyColumns()} {
		if subset(export, names) && subset(names, append(export, "folder")) {
			return true
		}
	}
	return false
}

// columnNamed finds the column that a header names, or colNone (-1). It is asked about each field of a JSON row, so it makes
// nothing for each of the columns.
func columnNamed(header string) column {
	name := fold(header)
	return column(slices.IndexFunc(columns(), func(known string) bool { return spells(name, known) }))
}

// spells reports whether a folded header is the name of a column, which is lower case with underscores.
func spells(folded, known string) bool {
	for word := range strings.SplitSeq(known, "_") {
		rest, ok := strings.CutPrefix(folded, word)
		if !ok {
			return false
		}
		folded = rest
	}
	return folded == ""
}

// fold makes assetId, asset_id, "Asset ID", asset-id and " Asset_Id " the same.
func fold(header string) string { return strings.ToLower(strings.Map(letter, trim(header))) }

// letter drops what people put between the words of a header.
func letter(r rune) rune {
	if r == '_' || r == ' ' || r == '-' {
		return -1
	}
	return r
}

// looksLike finds the column that a header probably means, to suggest a mapping.
func looksLike(header string) column {
	return columnNamed(strings.NewReplacer(".", "", "#", "").Replace(header))
}
