//go:build !windows

package intake_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/intake"
)

const (
	commandHeader = "asset_id,display_name"
	commandRow    = "0000000000000000000000aa,hero.jpg"
)

func runCommand(t *testing.T, params intake.CommandParams) ([]intake.Row, error) {
	t.Helper()
	c, err := intake.OpenCommand(t.Context(), params)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // a test's
	var rows []intake.Row
	for chunk, err := range c.Chunks(t.Context()) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, chunk...)
	}
	return rows, nil
}

func TestCommandReadsCSV(t *testing.T) {
	t.Parallel()
	for line, shell := range map[string]bool{
		`printf '%s\n%s\n' ` + commandHeader + ` "` + commandRow + `"`:                      false,
		`/usr/bin/printf "asset_id;display_name\\n0000000000000000000000aa;hero.jpg"`:       false,
		`echo ` + commandHeader + `; echo ` + commandRow + ` | cat`:                         true,
		`echo ` + commandHeader + `; echo ` + commandRow + `; echo progress >&2`:            true,
		`(echo ` + commandHeader + `; echo ` + commandRow + `) | gzip`:                      true,
		`echo ` + commandHeader + `; echo ` + commandRow + `; sleep 600 & echo $! >&2`:      true, // left behind, and holds the pipe
		`echo ` + commandHeader + `; sleep 600 2>&1 & echo ` + commandRow + `; kill -9 $! `: true,
	} {
		rows, err := runCommand(t, intake.CommandParams{Line: line, Shell: shell, Env: os.Environ()})
		require.NoError(t, err, line)
		require.Len(t, rows, 1, line)
		require.Equal(t, "hero.jpg", *rows[0].DisplayName)
	}
}

// A command that fails loads nothing, whatever it has written before.
func TestCommandFails(t *testing.T) {
	t.Parallel()
	rows := "echo " + commandHeader + "; i=0; while [ $i -lt 3000 ]; do echo " + commandRow + "; i=$((i+1)); done; "
	for line, want := range map[string]string{
		rows + `echo first >&2; echo "no access to the table" >&2; exit 3`: "the shell command: the command failed (exit status 3): first / no access to the table",
		rows + `printf '\033[31mred\007\n50%%\r' >&2; exit 1`:              `(exit status 1): \u001b[31mred\u0007 / 50%`,
		rows + `kill -9 $$`:                   "the command failed (signal: killed)",
		rows + `printf '"open'; exit 4`:       "exit status 4",
		`echo "ERROR: not logged in"; exit 1`: "exit status 1",
		`exit 7`:                              "exit status 7",
		`echo no CSV`:                         "no column says which asset is meant",
		`true`:                                "the shell command is empty",
		`echo ` + commandHeader:               "no rows below it",
		`seq 1 100000 >&2; echo the end >&2; exit 1`:               "100000 / the end",
		`head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`:         "xxx…",
		`echo ` + commandHeader + `; kill -STOP $$; echo too late`: "the command wrote nothing for 300ms and was ended",
	} {
		idle := time.Minute // on a slow machine a command takes long to start
		if strings.Contains(line, "too late") {
			idle = 300 * time.Millisecond
		}
		_, err := runCommand(t, intake.CommandParams{Line: line, Shell: true, Env: os.Environ(), Idle: idle})
		require.ErrorContains(t, err, want, line)
		require.NotContains(t, err.Error(), "\n")
		require.Less(t, len(err.Error()), 1500)
	}
}

func TestCommandWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                           "the command is empty",
		"  ":                         "the command is empty",
		"bq query | head":            "which only a shell understands",
		"curl https://h/?a=1&b=2":    "put it in quotes, or let a shell run it with --exec-shell",
		"bq query > out.csv":         "which only a shell understands",
		"bq 'query":                  "has an open quote",
		"bq (query)":                 "parentheses outside of quotes",
		"relabel-no-such-program -x": "relabel-no-such-program: there is no such program",
		"/etc/passwd":                "passwd: no permission to run it",
	} {
		_, err := runCommand(t, intake.CommandParams{Line: line})
		require.ErrorContains(t, err, want, line)
	}
	require.Equal(t, "bq", intake.CommandName("/usr/bin/bq query --format=csv 'SELECT 1; --'", false))
	require.Equal(t, "the shell command", intake.CommandName("PW=geheim bq", true))
}

// A command gets the environment that it is given and no other; not even if there is none.
func TestCommandEnvironment(t *testing.T) {
	t.Setenv("WEBFLOW_TOKEN", "geheim")
	for _, env := range [][]string{nil, {"NAME=hero.jpg"}} {
		rows, err := runCommand(t, intake.CommandParams{
			Line: `echo asset_id,display_name,alt_text; echo "0000000000000000000000aa,x$NAME,y$WEBFLOW_TOKEN"`, Shell: true, Env: env,
		})
		require.NoError(t, err)
		require.Equal(t, "x"+strings.TrimPrefix(strings.Join(env, ""), "NAME="), *rows[0].DisplayName)
		require.Equal(t, "y", *rows[0].AltText)
	}
}

// Ctrl-C, and a load that ends early, kill the command and its children.
func TestCommandIsKilled(t *testing.T) {
	t.Parallel()
	for _, interrupt := range []bool{true, false} {
		file := filepath.Join(t.TempDir(), "pids")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := intake.OpenCommand(ctx, intake.CommandParams{
			Line: "sleep 600 & echo $$ $! > " + file + "; echo " + commandHeader + "; while echo " + commandRow + "; do :; done", Shell: true, Env: os.Environ(),
		})
		require.NoError(t, err)
		var last error
		for _, last = range c.Chunks(ctx) {
			if !interrupt {
				break
			}
			cancel()
		}
		if interrupt {
			require.ErrorIs(t, last, context.Canceled)
		}
		require.NoError(t, c.Close())
		for _, pid := range pidsIn(t, file) {
			require.Eventually(t, func() bool { return dead(pid) }, 20*time.Second, 10*time.Millisecond)
		}
	}
}

func pidsIn(t *testing.T, file string) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	require.Len(t, pids, 2)
	return pids
}

// dead counts a process that nobody waits for, as in a container without an init.
func dead(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}
