package people

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

const (
	// maxFile bounds what is read of the file: some 10,000 people.
	maxFile = 1 << 20

	// checksAtOnce bounds the memory and the processor time of logins: each takes 19 MB.
	checksAtOnce = 2
)

// File is the file of people, as it was read last.
type File struct {
	path  string
	seed  maphash.Seed
	slots chan struct{}
	dummy Person

	mu   sync.Mutex
	info fs.FileInfo
	err  error // of the last reading
	text string
	list []Person
}

// Open reads a file of people.
func Open(path string) (*File, error) {
	f := &File{
		path: path, seed: maphash.MakeSeed(), slots: make(chan struct{}, checksAtOnce),
		dummy: Person{hash: Hash("nobody has this password")},
	}
	_, err := f.Refresh(true)
	if err == nil && len(f.list) == 0 {
		err = fmt.Errorf("nobody is in the users' file %s: `relabel user hash NAME` prints a line for it", path)
	}
	return f, err
}

// Refresh reads the file again and reports whether the people have changed. Unless always
// is set, it trusts the file's time and size, which is cheap enough for every request.
// After an error the people stay as they were.
func (f *File) Refresh(always bool) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if info, err := os.Stat(f.path); err == nil && !always && f.sameFile(info) {
		return false, f.err
	}
	changed, f.err = f.read()
	return changed, f.err
}

func (f *File) read() (changed bool, err error) {
	text, info, err := readFile(f.path)
	f.info = info
	if err != nil {
		return false, fmt.Errorf("the users' file can't be used: %w", err)
	}
	if text == f.text {
		return false, nil
	}
	list, err := parse(text)
	if err != nil {
		return false, fmt.Errorf("the users' file %s, %w", f.path, err)
	}
	f.text, f.list = text, list
	return true, nil
}

func (f *File) sameFile(info fs.FileInfo) bool {
	return f.info != nil && os.SameFile(f.info, info) && f.info.ModTime().Equal(info.ModTime()) && f.info.Size() == info.Size()
}

func readFile(path string) (string, fs.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", nil, err //nolint:wrapcheck // Refresh says what it is
	}
	defer file.Close() //nolint:errcheck // was only read
	info, err := file.Stat()
	if err == nil {
		err = checkMode(path, info)
	}
	if err != nil {
		return "", info, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if len(text) > maxFile {
		err = fmt.Errorf("%s is larger than 1 MB", path)
	}
	return string(text), info, err
}

// checkMode refuses a file that other accounts can write: they could let themselves in.
// It trusts the file's owner. In a container that may be another account than ours. Windows
// has no such modes.
func checkMode(path string, info fs.FileInfo) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("other accounts can write to %s, and so let themselves in: run `chmod go-w %s`", path, path)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err //nolint:wrapcheck // Refresh says what it is
	}
	folder, err := os.Stat(filepath.Dir(target))
	if err == nil && folder.Mode().Perm()&0o002 != 0 && folder.Mode()&fs.ModeSticky == 0 {
		err = fmt.Errorf("all accounts can replace %s: run `chmod o-w %s`", path, filepath.Dir(target))
	}
	return err
}

// Find returns the person with a name. Case counts.
func (f *File) Find(name string) (Person, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.list, func(p Person) bool { return p.Name == name })
	if at < 0 {
		return Person{}, false
	}
	return f.list[at], true
}

// People returns everybody in the file.
func (f *File) People() []Person {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// AnyPassword reports whether anybody can log in with a password.
func (f *File) AnyPassword() bool { return slices.ContainsFunc(f.People(), Person.HasPassword) }

// Check returns the person with a name and password. It takes the same time for names that
// do not exist, so that nobody can find out names by measuring it.
func (f *File) Check(ctx context.Context, name, password string) (Person, bool) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return Person{}, false
	}
	p, known := f.compared(name)
	h, err := parseHash(p.hash)
	right := err == nil && h.matches(password)
	return p, right && known
}

// compared returns the person whose hash Check compares for a name. If there is no such
// person, or none with a password, it is another person of the file. It is always the same
// person for a name, because hashes in the file may take different times.
func (f *File) compared(name string) (p Person, known bool) {
	if p, known = f.Find(name); known && p.HasPassword() {
		return p, true
	}
	list := slices.DeleteFunc(f.People(), func(p Person) bool { return !p.HasPassword() })
	if len(list) == 0 {
		return f.dummy, false
	}
	return list[maphash.String(f.seed, name)%uint64(len(list))], false
}

// CheckPassword returns an error if a new password is too weak, or too long for a form.
func CheckPassword(password string) error {
	switch n := len([]rune(password)); {
	case n < MinPassword:
		return fmt.Errorf("the password is shorter than %d characters: choose a longer one", MinPassword)
	case n > 1000:
		return errors.New("the password is longer than 1,000 characters")
	}
	return nil
}
