package dbtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// bouncerConfig is all that differs from PgBouncer's defaults. unix_socket_dir is empty:
// it listens on TCP only.
const bouncerConfig = `
[databases]
%s = host=%s port=%d user=%s password=%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = %s
%s
`

// PgBouncer starts a PgBouncer in front of a database, and returns its address. mode is
// session, transaction or statement; more is further lines of its configuration.
// Without the program the test is skipped, unless RELABEL_REQUIRE_PGBOUNCER is set.
func PgBouncer(t testing.TB, databaseURL, mode string, more ...string) string {
	t.Helper()
	program := bouncerProgram(t)
	cfg, err := pgx.ParseConfig(databaseURL)
	require.NoError(t, err)
	addr := freeAddress(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	file := filepath.Join(openFolder(t), "pgbouncer.ini")
	text := fmt.Sprintf(bouncerConfig, cfg.Database, cfg.Host, cfg.Port, cfg.User, cfg.Password, port, mode, strings.Join(more, "\n"))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644)) //nolint:gosec // another account reads it, for the time of a test
	startBouncer(t, addr, osexec.CommandContext(context.WithoutCancel(t.Context()), program, append(bouncerAccount(t, cfg), file)...))
	u := url.URL{Scheme: "postgres", User: url.UserPassword(cfg.User, "any"), Host: addr, Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	return u.String()
}

func bouncerProgram(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := osexec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "there is no PgBouncer on this machine (Debian's package pgbouncer)"
	if os.Getenv("RELABEL_REQUIRE_PGBOUNCER") != "" {
		t.Fatal(missing + ", and RELABEL_REQUIRE_PGBOUNCER wants one")
	}
	t.Skip(missing + ": poolers are not tested")
	return ""
}

// bouncerAccount makes it run as the account whose socket it uses: PgBouncer refuses to
// run as root, and others can't enter the socket's folder.
func bouncerAccount(t testing.TB, cfg *pgx.ConnConfig) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	if !strings.HasPrefix(cfg.Host, "/") {
		return []string{"-u", "nobody"}
	}
	owner, err := osexec.CommandContext(t.Context(), "stat", "--format", "%U", cfg.Host).Output()
	require.NoError(t, err)
	return []string{"-u", strings.TrimSpace(string(owner))}
}

func startBouncer(t testing.TB, addr string, cmd *osexec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			require.NoError(t, conn.Close())
			return
		}
		select {
		case <-ended:
			t.Fatalf("PgBouncer ended: %s", log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// openFolder is one that other accounts can enter.
func openFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bouncer")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // as it says
	return dir
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}
