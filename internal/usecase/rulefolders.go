package usecase

import (
	"fmt"
	"strings"

	"relabel/db"
	"relabel/internal/rule"
)

// withPaths replaces ids of folders by their paths, and refuses folders that the site does
// not have.
func withPaths(r rule.Rule, folders []db.Folder) (rule.Rule, error) {
	paths := make([]string, len(r.Folders))
	for i, wanted := range r.Folders {
		path := rule.CleanFolder(wanted)
		found := false
		for _, f := range folders {
			if f.ID == wanted {
				path = f.Path
			}
			found = found || rule.CleanFolder(f.Path) == path || f.ID == wanted
		}
		if !found {
			return r, WrongSetting("folder", ": the site has no folder %q%s", wanted, knownFolders(folders))
		}
		paths[i] = path
	}
	r.Folders = paths
	return r, nil
}

// knownFolders names the first folders of a site.
func knownFolders(folders []db.Folder) string {
	const shown = 10
	if len(folders) == 0 {
		return ": it has no folders"
	}
	var names []string
	for _, f := range folders[:min(len(folders), shown)] {
		names = append(names, f.Path)
	}
	list := ": it has " + strings.Join(names, ", ")
	if more := len(folders) - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
