package usecase

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/rule"
)

// rootFolder is how people name the root, which has no id.
const rootFolder = "/"

// folderTree are the folders of a site. An empty id is the root.
type folderTree struct {
	db.FolderTree

	paths map[string]string   // by id
	ids   map[string][]string // by path: two folders may have the same
}

func (s *Service) folderTree(ctx context.Context, siteID int) (*folderTree, error) {
	list, err := s.DB.Folders(ctx, siteID)
	if err != nil {
		return nil, err
	}
	t := &folderTree{FolderTree: db.NewFolderTree(list), paths: map[string]string{}, ids: map[string][]string{}}
	for _, f := range list {
		t.paths[f.ID] = f.Path
		path := norm.NFC.String(f.Path)
		t.ids[path] = append(t.ids[path], f.ID)
	}
	return t, nil
}

// path is empty at the root, and the id itself of a folder that was made a moment ago.
func (t *folderTree) path(id string) string {
	if path, ok := t.paths[id]; ok {
		return path
	}
	return id
}

// find returns the ids of the folders that a path or an id names: several for a path that
// folders share, or that one has whose name holds a slash.
func (t *folderTree) find(name string) ([]string, error) {
	name = strings.TrimSpace(name)
	if name == rootFolder {
		return []string{""}, nil
	}
	if _, ok := t.paths[name]; ok {
		return []string{name}, nil
	}
	path := norm.NFC.String(strings.Trim(name, "/"))
	if ids := t.ids[path]; len(ids) > 0 {
		return ids, nil
	}
	similar := newNearest(path)
	for p := range t.ids {
		similar.offer(p)
	}
	return nil, &NoFolderError{Folder: name, Nearest: similar.names()}
}

// rulePaths replaces the folders of a rule, which may be ids, by their paths.
func (t *folderTree) rulePaths(r rule.Rule) (rule.Rule, error) {
	paths := make([]string, len(r.Folders))
	for i, name := range r.Folders {
		ids, err := t.find(name)
		if err != nil {
			return r, WrongSetting("folder", ": %s", err)
		}
		paths[i] = t.path(ids[0])
	}
	r.Folders = paths
	return r, nil
}

// NoFolderError is returned when a site has no folder of a path or id.
type NoFolderError struct {
	Folder  string
	Nearest []string // similar paths
}

func (e *NoFolderError) Error() string {
	return fmt.Sprintf("the site has no folder %q%s", intake.Clean(e.Folder), suggestion(e.Nearest))
}

// suggestion is the end of a message about a name that was not found.
func suggestion(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + intake.Clean(n) + `"`
	}
	switch len(quoted) {
	case 0:
		return ""
	case 1:
		return "; a similar name is " + quoted[0]
	}
	return "; similar names are " + strings.Join(quoted, ", ")
}

// SameFolderError is returned when several folders have the path that was given.
type SameFolderError struct {
	Folder string
	IDs    []string
}

func (e *SameFolderError) Error() string {
	return fmt.Sprintf("%d folders have the path %q: give the id of one of them, %s",
		len(e.IDs), intake.Clean(e.Folder), strings.Join(e.IDs, " or "))
}
