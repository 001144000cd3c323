//go:build unix

package embedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minMajor is the oldest server relabel is tested on.
const minMajor = 15

// versionTimeout limits "postgres --version", which takes 10 ms: a wrapper script that hangs must not stop us.
const versionTimeout = 10 * time.Second

// binaries is a folder of server programs.
type binaries struct {
	dir     string
	version string // "15.13"
	major   int
	minor   int
}

// serverPrograms must all be in one folder. We don't run pg_ctl, but a folder without it is no server installation.
func serverPrograms() []string { return []string{"postgres", "initdb", "pg_ctl"} }

func defaultSearch() *search {
	return &search{path: os.Getenv("PATH"), repository: mavenCentral(), folders: []string{
		"/usr/lib/postgresql/*/bin",       // Debian, Ubuntu
		"/usr/pgsql-*/bin",                // PostgreSQL's own RPMs
		"/usr/libexec/postgresql*",        // Alpine
		"/opt/homebrew/opt/postgres*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgres*/bin",    // Homebrew on Intel
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/Library/PostgreSQL/*/bin", // the EDB installer
		"/usr/local/pgsql/bin",      // make install
	}}
}

// finder looks for binaries on behalf of the account that will run them.
type finder struct {
	search
	cache   string
	account account
	skipped []string // why a folder that looked right was not used
}

// find returns the first binaries in search order, of the wanted major version unless that is 0. If there are none,
// others lists the binaries of other versions. In PATH the order counts; elsewhere the newest version comes first.
func (f *finder) find(ctx context.Context, wanted int) (found binaries, others []binaries, err error) {
	for i, dirs := range []func(context.Context) []string{f.onPath, f.installed, f.byConfig, f.cached} {
		all := f.probeAll(ctx, dirs(ctx))
		if i > 0 {
			slices.SortStableFunc(all, newestFirst)
		}
		for _, b := range all {
			if wanted == 0 || b.major == wanted {
				return b, nil, nil
			}
			others = append(others, b)
		}
	}
	return binaries{}, others, context.Cause(ctx)
}

func newestFirst(a, b binaries) int {
	return cmp.Or(cmp.Compare(b.major, a.major), cmp.Compare(b.minor, a.minor))
}

func (f *finder) onPath(context.Context) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(f.path) {
		for _, program := range serverPrograms() {
			if real, err := filepath.EvalSymlinks(filepath.Join(dir, program)); err == nil && filepath.IsAbs(dir) {
				dirs = append(dirs, filepath.Dir(real))
			}
		}
	}
	return dirs
}

func (f *finder) installed(context.Context) []string {
	var dirs []string
	for _, pattern := range f.folders {
		matches, _ := filepath.Glob(pattern) // errs on a malformed pattern only, and these are ours
		dirs = append(dirs, matches...)
	}
	return dirs
}

func (f *finder) byConfig(ctx context.Context) []string {
	for _, dir := range filepath.SplitList(f.path) {
		program := filepath.Join(dir, "pg_config")
		if !filepath.IsAbs(dir) || !executable(program) {
			continue
		}
		if out, err := f.output(ctx, program, "--bindir"); err == nil {
			return []string{out}
		}
	}
	return nil
}

func (f *finder) cached(context.Context) []string {
	matches, _ := filepath.Glob(filepath.Join(globEscape(f.cache), "pg-*", "bin"))
	return matches
}

// probeAll returns the folders whose programs work.
func (f *finder) probeAll(ctx context.Context, dirs []string) []binaries {
	var all []binaries
	for _, dir := range dirs {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || !hasPrograms(real) || slices.ContainsFunc(all, func(b binaries) bool { return b.dir == real }) {
			continue
		}
		b, err := f.probe(ctx, real)
		if err != nil {
			f.skip(fmt.Sprintf("%s: %v", real, err))
			continue
		}
		all = append(all, b)
	}
	return all
}

func (f *finder) skip(reason string) {
	if !slices.Contains(f.skipped, reason) { // PATH and an install folder are often the same place
		f.skipped = append(f.skipped, reason)
	}
}

func (f *finder) probe(ctx context.Context, dir string) (binaries, error) {
	if err := f.account.checkReach(dir); err != nil {
		return binaries{}, err
	}
	out, err := f.output(ctx, filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return binaries{}, err
	}
	b, err := parseVersion(out)
	if err == nil && b.major < minMajor {
		err = fmt.Errorf("PostgreSQL %s is older than %d", b.version, minMajor)
	}
	b.dir = dir
	return b, err
}

// output runs a program as the server's account and returns what it printed.
func (f *finder) output(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := f.account.command(ctx, "/", name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("error running %s: %w", filepath.Base(name), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// versionLine matches "postgres (PostgreSQL) 15.13 (Debian 15.13-1)" and "postgres (PostgreSQL) 18beta1".
var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)(?:\.(\d+))?[\w.]*)`)

func parseVersion(line string) (binaries, error) {
	m := versionLine.FindStringSubmatch(line)
	if m == nil {
		return binaries{}, errors.New("postgres --version names no version")
	}
	major, _ := strconv.Atoi(m[2]) // digits by the pattern
	minor, _ := strconv.Atoi(m[3]) // "" is 0: a beta
	return binaries{version: m[1], major: major, minor: minor}, nil
}

func hasPrograms(dir string) bool {
	for _, program := range serverPrograms() {
		if !executable(filepath.Join(dir, program)) {
			return false
		}
	}
	return true
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
