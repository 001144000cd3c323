package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// setupJobs has a batch of which three rows succeeded and two failed.
func setupJobs(t *testing.T) *testBundle {
	t.Helper()
	b := setup(t, standin.Config{Assets: 3})
	b.file("names.csv", names(5)) // two more than there are
	b.run("run", "names.csv").exits(exitTrouble)
	return b
}

func TestJobsList(t *testing.T) {
	b := setupJobs(t)
	r := b.ok("rows", "list", "--status", "failed")
	require.Equal(t, r, b.ok("jobs", "list", "--status", "failed"), "its old name")
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^ID +BATCH +LINE +ASSET +STATUS +CALLS +HTTP +ENDED +NAME, OR WHAT IS WRONG$`, strings.TrimSpace(lines[0]))
	require.Contains(t, lines[1], standin.AssetID(4))
	require.Contains(t, lines[1], "failed")
	require.Contains(t, lines[1], "resource_not_found: ")
	require.Equal(t, "2 rows\n", r.stderr)

	v := b.ok("rows", "list", "--sort", "oldest", "--limit", "2", "--json").json()
	require.Len(t, v["jobs"], 2)
	require.EqualValues(t, 5, v["total"])
	first := v["jobs"].([]any)[0].(map[string]any)
	require.Equal(t, []any{standin.AssetID(0), "succeeded", "name 0.jpg", "default"},
		[]any{first["asset_id"], first["status"], first["applied_name"], first["site"]})
	r = b.ok("rows", "list", "--sort", "oldest", "--limit", "2")
	cursor := v["next"].(string)
	require.Equal(t, "2 of 5 rows; the next page: --cursor "+cursor+"\n", r.stderr)
	r = b.ok("rows", "list", "--sort", "oldest", "--limit", "2", "--cursor", cursor)
	require.Contains(t, r.stdout, "name 2.jpg")
	require.NotContains(t, r.stdout, "name 1.jpg")

	r = b.ok("rows", "list", "--name", "NAME 1", "--since", "1h", "--csv")
	rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, rowColumns(), rows[0])
	require.Equal(t, standin.AssetID(1), rows[1][4])
	require.Len(t, rows, 2)

	r = b.ok("rows", "list", "--http", "500")
	require.Empty(t, r.stdout)
	require.Equal(t, "no row matches\n", r.stderr)
	b.run("rows", "list", "--batch", "9").fails(exitError, "no such batch: 9")
	b.run("rows", "list", "--site", "gone").fails(exitError, "no such site: gone")
}

func TestJobsErrors(t *testing.T) {
	b := setupJobs(t)
	r := b.ok("rows", "errors")
	require.Contains(t, r.stdout, "2 × failed, HTTP 404: resource_not_found: ")
	require.Contains(t, r.stdout, "such as row 4: line 5 of batch 1, asset "+standin.AssetID(3)+` → "name 3.jpg"`)
	v := b.ok("rows", "errors", "--batch", "1", "--json").json()
	require.Equal(t, true, v["complete"])
	require.EqualValues(t, 2, v["causes"].([]any)[0].(map[string]any)["rows"])
	require.Contains(t, b.ok("rows", "errors", "--csv").stdout, "\n2,failed,404,resource_not_found")
	require.Equal(t, "no error matches\n", b.ok("rows", "errors", "--http", "500").stderr)
}

func TestJobsShowAndWhy(t *testing.T) {
	b := setupJobs(t)
	b.enqueue("asset_id,display_name\n" + standin.AssetID(4) + ",again.jpg\n")
	r := b.ok("rows", "show", "6")
	require.Contains(t, r.stdout, `row 6: line 2 of batch 2 "standard input", pending after 0 calls`)
	require.Contains(t, r.stdout, "its River job: available")
	require.Contains(t, r.stdout, "waits: no worker is running; `relabel work --until-done` sends it")
	r = b.ok("why", strings.ToUpper(standin.AssetID(4)))
	require.Contains(t, r.stdout, "2 rows; the last loaded is pending: line 2 of batch 2")
	require.Contains(t, r.stdout, "1:6       call 1, HTTP 404 after ")
	require.Contains(t, r.stdout, "Requested resource not found")
	v := b.ok("why", standin.AssetID(0), "--json").json()
	require.Len(t, v["rows"], 1)
	events := v["events"].([]any) // on a busy machine there may be waits between
	require.Equal(t, "called", events[len(events)-1].(map[string]any)["kind"])
	b.run("why", strings.Repeat("f", 24)).fails(exitError, "no such row: none is about asset ffff")
	b.run("rows", "show", "99").fails(exitError, "no such row: 99")
}

// Both actions ask, and do nothing unless they are told to.
func TestJobsRetryAndCancel(t *testing.T) {
	b := setupJobs(t)
	b.run("rows", "retry").fails(exitUsage, "can't ask for confirmation here: add --yes")
	require.Contains(t, b.answer("n\n", "rows", "retry", "--http", "404"), "Send 2 rows (failed, conflict, cancelled) again? [y/N]")
	require.EqualValues(t, 2, b.status("1")["failed"])

	require.Equal(t, "2 rows will be sent again\n", b.ok("rows", "retry", "--http", "404", "--yes").stdout)
	require.EqualValues(t, 2, b.status("1")["pending"])
	require.Contains(t, b.answer("y\n", "rows", "cancel", "--asset", standin.AssetID(3)), "1 row is cancelled")
	require.EqualValues(t, 1, b.status("1")["cancelled"])
	require.Equal(t, map[string]any{"cancelled": 1.0, "sending": 0.0}, b.ok("rows", "cancel", "--yes", "--json").json())
	require.Equal(t, "0 rows are cancelled\n", b.ok("rows", "cancel").stdout, "there is nothing to ask about")
	require.Equal(t, "done", b.status("1")["status"])
	require.Contains(t, b.ok("rows", "show", "4").stdout, "cancelled individually before it was sent again")
}

// answer runs the program on a terminal of 80 columns, types what it is told, and gives all that was shown.
func (b *testBundle) answer(typed string, args ...string) string {
	b.t.Helper()
	cmd := b.command(args...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(b.t, err)
	defer terminal.Close() //nolint:errcheck // nothing is lost with it
	_, err = io.WriteString(terminal, typed)
	require.NoError(b.t, err)
	shown, _ := io.ReadAll(terminal) // ends with an error when the program does
	require.NoError(b.t, cmd.Wait())
	return strings.ReplaceAll(string(shown), "\r\n", "\n")
}

func TestJobsUsage(t *testing.T) {
	b := setupPrivate(t, standin.Config{}).with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
	for args, want := range map[string]string{
		"rows lisst":                                  `there is no command "rows lisst"; did you mean "list"?`,
		"rows list 7":                                 "takes no arguments, but options",
		"rows list --status gone":                     `--status takes pending, sending, succeeded, failed, superseded, unchanged, conflict, cancelled, invalid, not "gone"`,
		"rows list --state gone":                      `there is no job state "gone"`,
		"rows list --asset 12":                        `"12" is not an asset id: an id has 24 hexadecimal digits`,
		"rows list --locale=":                         "--locale takes a tag such as fr-FR, a locale's id, or primary",
		"why 9f4a7f85b42ea4c6374f11ca --locale=":      "--locale takes a tag",
		"rows list --http 4":                          "an HTTP status has three digits, not 4",
		"rows list --since yesterday":                 "--since takes how long ago (90s, 2h, 3d) or a time",
		"rows list --since 1h --until 2h":             "since must be before until",
		"rows list --min-attempts 3 --max-attempts 2": "not above the largest",
		"rows list --sort name":                       "--sort is newest, oldest or ended",
		"rows list --limit 0":                         "--limit is 1 to 5,000, not 0",
		"rows list --csv --json":                      "--csv and --json: give one of them",
		"rows list --batch 0":                         "--batch takes a batch's number",
		"rows retry --status pending":                 `--status takes failed, conflict, cancelled, superseded, not "pending"`,
		"rows cancel --status failed":                 `--status takes pending, sending, not "failed"`,
		"rows show":                                   "takes one row's number",
		"rows show x":                                 `"x" is not a row's number`,
		"why":                                         "takes one asset id",
		"why 7":                                       `"7" is not an asset id`,
	} {
		t.Run(args, func(t *testing.T) {
			b := *b
			b.t = t
			b.run(strings.Fields(args)...).fails(exitUsage, want)
		})
	}
}

// An action that is interrupted says how far it came.
func TestPartly(t *testing.T) {
	t.Parallel()
	canceled := fmt.Errorf("error retrying rows: %w", context.Canceled)
	for want, err := range map[string]error{
		"interrupted": new(app).partly(canceled, 0),
		"interrupted after 2,000 rows; the same command continues with the rest":    new(app).partly(canceled, 2000),
		"stopped after 2,000 rows; the same command continues with the rest: broke": new(app).partly(errors.New("broke"), 2000),
	} {
		code, text := endOf(err)
		require.Equal(t, exitError, code)
		require.Equal(t, want, text)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 15, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"":                     {},
		"90s":                  now.Add(-90 * time.Second),
		"3d":                   now.Add(-72 * time.Hour),
		"14:30":                time.Date(2026, 3, 2, 14, 30, 0, 0, time.Local),
		"2026-02-01":           time.Date(2026, 2, 1, 0, 0, 0, 0, time.Local),
		"2026-02-01T14:30":     time.Date(2026, 2, 1, 14, 30, 0, 0, time.Local),
		"2026-02-01 14:30:05":  time.Date(2026, 2, 1, 14, 30, 5, 0, time.Local),
		"2026-02-01T14:30:00Z": time.Date(2026, 2, 1, 14, 30, 0, 0, time.UTC),
	} {
		got, err := moment("since", text, now)
		require.NoError(t, err)
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"-1h", "d", "99999d", "25:00", "2026-13-01", "soon"} {
		_, err := moment("since", text, now)
		require.Error(t, err, text)
	}
}
