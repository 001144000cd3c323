package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Folders are the folders below which files may be read that stored settings name.
type Folders struct {
	Paths    []string
	Variable string // that sets them
}

// tokenDirs returns the folders for the files of sites' tokens: those of
// RELABEL_TOKEN_DIRS, or the places where Docker and systemd put secrets and the folder
// of WEBFLOW_TOKEN_FILE.
func (e environment) tokenDirs() Folders {
	f := Folders{e.paths(tokenDirsVar), tokenDirsVar}
	if len(f.Paths) == 0 {
		f.Paths = []string{"/run/secrets"}
		f.add(e.get("CREDENTIALS_DIRECTORY"))
		if file := e.get("WEBFLOW_TOKEN_FILE"); file != "" {
			f.add(filepath.Dir(file))
		}
	}
	return f
}

// sourceDirs returns the folders for the files that schedules read: those of
// RELABEL_SOURCE_DIRS, or the folder that the process was started in.
func (e environment) sourceDirs() Folders {
	f := Folders{e.paths(sourceDirsVar), sourceDirsVar}
	if len(f.Paths) == 0 {
		f.add(".")
	}
	return f
}

func (e environment) paths(name string) []string { return filepath.SplitList(e.get(name)) }

// add adds a folder that nobody named for this purpose. The root folder is left out: a
// service is often started in it, and it would allow every file.
func (f *Folders) add(folder string) {
	if folder == "" {
		return
	}
	if full, err := filepath.Abs(folder); err == nil && filepath.Dir(full) != full {
		f.Paths = append(f.Paths, full)
	}
}

// With returns the folders and one more.
func (f Folders) With(folder string) Folders {
	f.Paths = append(slices.Clone(f.Paths), folder)
	return f
}

// Open opens a file below one of the folders. Links are followed first, so a link can't
// lead out of them.
func (f Folders) Open(file string) (*os.File, error) {
	for _, folder := range f.Paths {
		if root, name, ok := below(folder, file); ok {
			return os.OpenInRoot(root, name)
		}
	}
	return nil, f.refusal(file)
}

// Allow checks that a file is below one of the folders; it need not exist.
func (f Folders) Allow(file string) error {
	for _, folder := range f.Paths {
		if _, _, ok := below(folder, file); ok {
			return nil
		}
	}
	return f.refusal(file)
}

func (f Folders) refusal(file string) error {
	where := "any folder that is allowed"
	if len(f.Paths) > 0 {
		where = strings.Join(f.Paths, " or ")
	}
	return fmt.Errorf("%w: the file %s is not below %s; to read it, set %s to its folder where relabel runs", ErrNotAllowed, file, where, f.Variable)
}

// below returns a folder without links and the file's path in it. A file that does not
// exist has no links to follow: its path is taken as it is.
func below(folder, file string) (root, name string, ok bool) {
	file, err1 := filepath.Abs(file)
	folder, err2 := filepath.Abs(folder)
	root, err3 := filepath.EvalSymlinks(folder)
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", "", false
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file, folder = real, root
	}
	name, err := filepath.Rel(folder, file)
	return root, name, err == nil && filepath.IsLocal(name)
}
