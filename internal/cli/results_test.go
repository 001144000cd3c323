package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// Nasty names: a spreadsheet would run the first ones as formulas.
func nastyNames() []string {
	return []string{
		"=1+1", "+x", "-x", "@x", "'=quoted", "a,b", `say "hi"`, "ünïcödé 🙂", "0012", "plain.jpg", "a;=1;b",
	}
}

func nastyCSV(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	w := csv.NewWriter(&text)
	require.NoError(t, w.Write([]string{"asset_id", "display_name"}))
	for i, name := range nastyNames() {
		require.NoError(t, w.Write([]string{standin.AssetID(i), name}))
	}
	w.Flush()
	return text.String()
}

func TestResults(t *testing.T) {
	b := setup(t, standin.Config{Assets: len(nastyNames())})
	b.api.FailAsset(standin.AssetID(0), standin.Repeat(1, standin.Status(400))...)
	b.api.FailAsset(standin.AssetID(1), standin.Repeat(1, standin.Status(400))...)
	b.file("nasty.csv", nastyCSV(t))
	b.run("run", "nasty.csv").exits(exitTrouble)

	text := b.ok("results", "1").stdout
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "line,asset_id,locale_id,display_name,alt_text,status,http_status,attempts,applied_name,error,finished_at",
		strings.Join(records[0], ","))
	require.Len(t, records, 1+len(nastyNames()))
	for i, r := range records[1:] {
		require.Equal(t, standin.AssetID(i), r[1], "the order of the input")
		require.NotContains(t, "=+-@\t\r", r[3][:1], "a formula")
		require.NotContains(t, r[3], ";=", "a formula, where a spreadsheet splits at semicolons")
	}
	require.Equal(t, []string{"failed", "400", "1"}, records[1][5:8])
	require.NotEmpty(t, records[1][9], "the error")

	t.Run("jsonl is exact", func(t *testing.T) {
		for _, args := range [][]string{{"--format", "jsonl"}, {"--json"}} {
			lines := strings.Split(strings.TrimSpace(b.ok(append([]string{"results", "1"}, args...)...).stdout), "\n")
			require.Len(t, lines, len(nastyNames()))
			for i, line := range lines {
				var row map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &row))
				require.Equal(t, nastyNames()[i], row["display_name"])
			}
		}
	})
	t.Run("status", func(t *testing.T) {
		require.Equal(t, 1+2, strings.Count(b.ok("results", "1", "--status", "failed").stdout, "\n"))
		require.Equal(t, 1+9, strings.Count(b.ok("results", "1", "--status", "succeeded,invalid").stdout, "\n"))
		require.Equal(t, 1, strings.Count(b.ok("results", "1", "--status", "invalid").stdout, "\n"))
	})
	t.Run("no such batch", func(t *testing.T) {
		b.run("results", "99").fails(exitError, "no such batch: 99", "`relabel status` lists")
		b.run("results", "99", "-o", "none.csv").fails(exitError, "no such batch")
		require.NoFileExists(t, filepath.Join(b.dir, "none.csv"))
	})
	t.Run("failed rows load straight back", func(t *testing.T) {
		r := b.ok("results", "1", "--status", "failed", "-o", "failed.csv")
		require.Empty(t, r.stdout)
		require.Contains(t, r.stderr, "2 rows written to failed.csv")
		r = b.ok("run", "failed.csv")
		require.NotContains(t, r.stderr, "columns not used")
		for i, name := range nastyNames() {
			require.Equal(t, name, b.api.Name(standin.AssetID(i), ""))
		}
	})
}

// The whole export, loaded again with --force, is sent as it was.
func TestResultsRoundTrip(t *testing.T) {
	b := setup(t, standin.Config{Assets: len(nastyNames())})
	b.pipe(nastyCSV(t), "run", "-").exits(exitOK)
	b.ok("results", "1", "-o", "all.csv")
	for i := range nastyNames() {
		b.api.SetName(standin.AssetID(i), "", "changed by hand")
	}
	b.ok("run", "all.csv", "--force")
	for i, name := range nastyNames() {
		require.Equal(t, name, b.api.Name(standin.AssetID(i), ""))
	}
}

func TestResultsFile(t *testing.T) {
	b := setup(t, standin.Config{})
	b.enqueue(names(3))

	b.file("real.csv", "old")
	require.NoError(t, os.Symlink("real.csv", filepath.Join(b.dir, "link.csv")))
	b.ok("results", "1", "-o", "link.csv", "--overwrite")
	require.Equal(t, b.ok("results", "1", "-o", "-").stdout, b.read("real.csv"), "the file behind the link")
	info, err := os.Lstat(filepath.Join(b.dir, "link.csv"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "the link is still one")

	b.run("results", "1", "-o", "no/such/folder.csv").fails(exitError, "no/such/folder.csv", "no such file or directory")
	b.run("results", "1", "-o", ".").fails(exitError, "directory")
	b.ok("results", "1", "-o", os.DevNull)
	info, err = os.Stat(os.DevNull)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular(), "a device was replaced by a file")
	entries, err := os.ReadDir(b.dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no part of a file is left")
}

// A reader that has seen enough is no error; a full disk is.
func TestClosedOutput(t *testing.T) {
	b := setup(t, standin.Config{})
	b.enqueue(names(5_000)) // more than a pipe and our buffer hold
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := b.command("results", "1")
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = w, &stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	_, err = r.Read(make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, cmd.Wait())
	require.Empty(t, stderr.String())

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close() //nolint:errcheck // nothing is written
	for _, args := range [][]string{{"results", "1"}, {"status"}, {"version"}} {
		stderr.Reset()
		cmd = b.command(args...)
		cmd.Stdout, cmd.Stderr = full, &stderr
		require.Error(t, cmd.Run())
		require.Equal(t, exitError, cmd.ProcessState.ExitCode())
		require.Regexp(t, `^error: .*no space left on device\n$`, stderr.String())
	}
}

// -o replaces relabel's own exports, and no other file unless that is asked for.
func TestOverwrite(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2})
	b.file("names.csv", names(2))
	b.ok("run", "names.csv")
	for _, command := range []string{"results 1 -o", "results 1 --format jsonl -o", "verify 1 -o", "pull -o"} {
		args := strings.Fields(command)
		b.run(append(args, "names.csv")...).fails(exitUsage, "relabel did not write names.csv", "--overwrite")
		require.Equal(t, names(2), b.read("names.csv"))
		file := fmt.Sprintf("out%d.csv", len(command))
		b.file("mine.csv", "x\n")
		b.ok(append(args, "mine.csv", "--overwrite")...)
		b.ok(append(args, "mine.csv")...)
		b.ok(append(args, file)...)
		b.ok(append(args, file)...)
	}
}
