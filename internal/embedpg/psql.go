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

// Psql prepares a command that opens psql on the server, with the caller's terminal settings and none of its secrets. The
// connection's parameters are in the environment, so the list of processes shows no password. The caller sets the three
// streams and runs the command.
func (s *Server) Psql(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := s.psqlPath(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, err = psqlEnv(os.Environ(), s.url)
	return cmd, err
}

// psqlPath prefers the server's own psql. Downloaded programs include none.
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

// psqlVars are the variables that psql inherits, beside those that begin with LC_ or PSQL_: what a terminal program needs.
// A list of what to leave out would miss a site's token, since the user chooses the name of its variable.
func psqlVars() []string {
	return []string{
		"COLUMNS", "EDITOR", "HOME", "LANG", "LANGUAGE", "LESS", "LINES", "LOGNAME", "PAGER", "PATH", "SHELL", "TERM", "TMPDIR", "TZ",
		"USER", "VISUAL",
	}
}

func psqlEnv(environ []string, dsn string) ([]string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("error reading the private PostgreSQL's URL") // the parser's error holds the password
	}
	env := slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(psqlVars(), name) && !strings.HasPrefix(name, "LC_") && !strings.HasPrefix(name, "PSQL_")
	})
	password, _ := u.User.Password()
	return append(env,
		"PGHOST="+u.Query().Get("host"), "PGPORT="+u.Query().Get("port"), "PGUSER="+u.User.Username(),
		"PGPASSWORD="+password, "PGDATABASE="+strings.TrimPrefix(u.Path, "/")), nil
}
