package cli

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // writes a user's file

	"relabel/internal/standin"
)

// The commands that take a SOURCE read what a command writes.
func TestExec(t *testing.T) {
	b := setup(t, standin.Config{Assets: 2})
	header, row := "asset_id,display_name", standin.AssetID(0)+",from a command"
	r := b.ok("run", "--exec", `printf '%s\n' `+header+` "`+row+`"`)
	require.Contains(t, r.stdout, `Batch 1 "printf" on site default is done`)
	require.Equal(t, "from a command", b.api.Name(standin.AssetID(0), ""))
	require.Contains(t, b.ok("plan", "--exec-shell", "echo "+header+"; echo "+row).stdout, "1 unchanged")
	require.Equal(t, "3\n", b.ok("enqueue", "--exec-shell", "echo "+header+"; echo "+standin.AssetID(1)+",x").stdout)

	// None of relabel's secrets; all else.
	b.with("SHOP_KEY", "kept").ok("run", "--exec-shell",
		`echo `+header+`; echo "`+standin.AssetID(1)+`,$SHOP_KEY[$WEBFLOW_TOKEN$DATABASE_URL$RELABEL_STATE_DIR$WEBFLOW_API_URL]"`)
	require.Equal(t, "kept[]", b.api.Name(standin.AssetID(1), ""))
}

// A command that fails loads nothing, whatever it has written before.
func TestExecFails(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	r := b.run("run", "--exec-shell", "echo asset_id,display_name; echo "+standin.AssetID(0)+",half; printf 'no \\033[31mquota' >&2; exit 3").exits(exitError)
	require.Contains(t, r.errorLine(), `nothing was loaded: the shell command: the command failed (exit status 3): no \u001b[31mquota`)
	r = b.run("run", "--exec", "relabel-no-such-program").exits(exitError)
	require.Contains(t, r.errorLine(), "relabel-no-such-program: there is no such program")
	b.run("status", "1").exits(exitError)
	b.sentOnce(0)
}

// A file of SQLite needs nothing but its path.
func TestSQLiteSource(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	path := filepath.Join(b.dir, "names.db")
	names, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = names.Exec(`CREATE TABLE wanted (id, name); INSERT INTO wanted VALUES (?, 'from SQLite')`, standin.AssetID(0))
	require.NoError(t, err)
	require.NoError(t, names.Close())
	b.ok("run", "--source-url", "sqlite:names.db", "--sql", "SELECT id AS asset_id, name AS display_name FROM wanted")
	require.Equal(t, "from SQLite", b.api.Name(standin.AssetID(0), ""))
	r := b.run("run", "--source-url", "sqlite:names.db", "--sql", "DELETE FROM wanted").exits(exitError)
	require.Contains(t, r.errorLine(), "give one SELECT and nothing else")
	b.run("run", "--source-url", "mysql://:geheim@h/d", "--sql", "SELECT 1").fails(exitUsage, "names no user")
}

// Ctrl-C ends the command too, and loads nothing.
func TestExecInterrupted(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	p := b.start("", "enqueue", "--exec-shell", "echo asset_id,display_name; echo "+standin.AssetID(0)+",x; echo $$ >pid.part; mv pid.part pid; sleep 600")
	file := filepath.Join(b.dir, "pid")
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, patience, 20*time.Millisecond)
	p.signal(syscall.SIGINT)
	require.Contains(t, p.wait().exits(exitError).errorLine(), "interrupted: nothing was loaded")
	pid, err := strconv.Atoi(strings.TrimSpace(b.read("pid")))
	require.NoError(t, err)
	shell, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.Error(t, shell.Signal(syscall.Signal(0)), "it still runs")
}
