//go:build unix

package embedpg

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Psql is the command that opens psql on the server, with the caller's terminal settings and none of its secrets.
// How to connect goes through the environment, so that no password shows in the list of processes. The caller sets
// the three streams and runs it.
func (s *Server) Psql(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := s.psqlPath(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, err = psqlEnv(os.Environ(), s.url)
	return cmd, err
}

// psqlPath prefers the server's own psql; fetched binaries come without one.
func (s *Server) psqlPath(ctx context.Context) (string, error) {
	f := s.in.finder()
	bin, _, err := f.find(ctx, s.major)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(bin.dir, "psql"); bin.dir != "" && executable(path) {
		return path, nil
	}
	for _, dir := range filepath.SplitList(f.path) {
		if path := filepath.Join(dir, "psql"); filepath.IsAbs(dir) && executable(path) {
			return path, nil
		}
	}
	return "", errors.New("no psql on this machine: install the PostgreSQL client, or give the URL of relabel db url to another client")
}

// psqlNeeds are the variables psql gets, beside those that begin with LC_ or PSQL_: what a terminal program wants. A list
// of what it must not get would miss a site's own token variable, whose name is the user's choice.
func psqlNeeds() []string {
	return []string{
		"COLUMNS", "EDITOR", "HOME", "LANG", "LANGUAGE", "LESS", "LINES", "LOGNAME", "PAGER", "PATH", "SHELL", "TERM", "TMPDIR", "TZ",
		"USER", "VISUAL",
	}
}

func psqlEnv(environ []string, dsn string) ([]string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("error reading the private PostgreSQL's URL") // the parser's own words hold the password
	}
	env := slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(psqlNeeds(), name) && !strings.HasPrefix(name, "LC_") && !strings.HasPrefix(name, "PSQL_")
	})
	password, _ := u.User.Password()
	return append(env,
		"PGHOST="+u.Query().Get("host"), "PGPORT="+u.Query().Get("port"), "PGUSER="+u.User.Username(),
		"PGPASSWORD="+password, "PGDATABASE="+strings.TrimPrefix(u.Path, "/")), nil
}
