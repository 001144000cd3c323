package usecase

import (
	"fmt"
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

func (c *nameChunk) unknown(folder string, similar []string) string {
	where := ""
	if folder != "" {
		where = fmt.Sprintf(" in the folder %q", intake.Clean(folder))
	}
	return fmt.Sprintf("the site has no asset of this %s%s%s", c.what(), where, suggestion(similar))
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
