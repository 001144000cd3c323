package usecase

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"relabel/db"
	"relabel/internal/intake"
)

// what is how messages call the column's cells.
func (c *nameChunk) what() string {
	switch db.NamedBy(c.by) {
	case db.ByOriginalFileName:
		return "file name"
	case db.ByHostedURL:
		return "address"
	}
	return "name"
}

// unknown says that no asset has a name, or none in the folder that the row gives.
func (c *nameChunk) unknown(row *intake.Row, similar []string) string {
	if row.Folder == "" {
		return fmt.Sprintf("the site has no asset of this %s%s", c.what(), suggestion(similar))
	}
	what := fmt.Sprintf("the site has no asset of this %s in the folder %q", c.what(), intake.Clean(row.Folder))
	if slices.Contains(similar, strings.TrimSpace(row.Name)) {
		return what + ", but one elsewhere"
	}
	return what + suggestion(similar)
}

// same lists the assets of one name.
func (c *nameChunk) same(n assetName) string {
	var list []string
	for _, f := range n.found[:min(len(n.found), shownSame)] {
		where := "at the root"
		if f.Folder != "" {
			where = fmt.Sprintf("in %q", intake.Clean(c.folders.path(f.Folder)))
		}
		list = append(list, f.AssetID+" "+where)
	}
	count := strconv.Itoa(len(n.found))
	switch {
	case len(n.found) > maxSame:
		count, list = fmt.Sprintf("more than %d", maxSame), append(list, "and others")
	case len(n.found) > shownSame:
		count, list = fmt.Sprintf("more than %d", shownSame), append(list, "and others")
	}
	return fmt.Sprintf("%s assets have this %s: %s. Give the asset_id, or the folder in a column folder", count, c.what(), strings.Join(list, ", "))
}
