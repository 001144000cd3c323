//go:build unix

package cli

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// emulator is a terminal as a person sees it: the few control sequences that bars use, and
// lines that break at the edge, anew when it gets another size.
type emulator struct {
	t       *testing.T
	master  *os.File
	program *os.Process

	mu       sync.Mutex
	columns  int
	lines    []string // as they were written; broken at the edge they may be several rows
	row, col int      // row counts lines
	wrapped  []string // lines that were wider than the terminal
	torn     bool     // something began in the midst of a line
	frames   int      // that were drawn
	all      []byte   // that ever came
	rest     string   // an escape sequence that is not whole yet
}

var upAndErase = regexp.MustCompile(`^(?:\x1b\[(\d+)A)?\x1b\[J`)

func (s *emulator) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, b...)
	text := s.rest + string(b)
	s.rest = ""
	for text != "" {
		switch m := upAndErase.FindStringSubmatch(text); {
		case m != nil:
			n, _ := strconv.Atoi(m[1]) // none is 0
			s.up(n)
			s.erase()
			s.frames++
			text = text[len(m[0]):]
		case text[0] == '\x1b':
			if len(text) > 12 {
				panic("an unknown control sequence: " + strconv.Quote(text[:12]))
			}
			s.rest, text = text, ""
		case text[0] == '\n':
			s.row++
			text = text[1:]
		case text[0] == '\r':
			s.col = 0
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\r\n\x1b")
			if end < 0 {
				end = len(text)
			}
			s.print(text[:end])
			text = text[end:]
		}
	}
	return len(b), nil
}

func (s *emulator) print(text string) {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
	line := []rune(s.lines[s.row])
	for len(line) < s.col+len([]rune(text)) {
		line = append(line, ' ')
	}
	for _, r := range text {
		line[s.col] = r
		s.col++
	}
	s.lines[s.row] = string(line)
	if runewidth.StringWidth(s.lines[s.row]) > s.columns {
		s.wrapped = append(s.wrapped, s.lines[s.row])
	}
}

// up moves by rows, of which a line that is wider than the terminal has several.
func (s *emulator) up(n int) {
	for ; n > 0 && s.row > 0; n -= max((runewidth.StringWidth(s.lines[s.row])+s.columns-1)/s.columns, 1) {
		s.row--
	}
	s.torn = s.torn || n < 0
}

// resize gives it another size, just after something was drawn. The program stands
// still meanwhile: a frame that is on its way for the old size would be drawn in the new
// one, and leave rows of the frame before.
func (s *emulator) resize(columns, rows int) {
	s.t.Helper()
	count := func() (frames, bytes int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.frames, len(s.all)
	}
	before, _ := count()
	require.Eventually(s.t, func() bool { now, _ := count(); return now > before }, patience, time.Millisecond)
	require.NoError(s.t, s.program.Signal(syscall.SIGSTOP))
	_, seen := count()
	require.Eventually(s.t, func() bool {
		last := seen
		_, seen = count()
		return seen == last
	}, patience, 50*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NoError(s.t, pty.Setsize(s.master, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}))
	s.columns = columns
	require.NoError(s.t, s.program.Signal(syscall.SIGCONT))
}

// came reports whether a text ever came, erased since or not.
func (s *emulator) came(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(string(s.all), text)
}

// erase clears all from the cursor on.
func (s *emulator) erase() {
	s.lines = s.lines[:min(s.row+1, len(s.lines))]
	if s.row < len(s.lines) {
		line := []rune(s.lines[s.row])
		s.lines[s.row] = string(line[:min(s.col, len(line))])
	}
}

func (s *emulator) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// watch runs the program with a terminal for standard error. end sends it a
// signal when it is not 0, as ^C does with all that a terminal shows for it,
// and waits.
func (b *testBundle) watch(columns int, args ...string) (s *emulator, end func(sig syscall.Signal) int) {
	b.t.Helper()
	master, slave, err := pty.Open()
	require.NoError(b.t, err)
	require.NoError(b.t, pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: uint16(columns)}))
	s = &emulator{t: b.t, master: master, columns: columns}
	cmd := b.command(args...)
	cmd.Stderr = slave
	require.NoError(b.t, cmd.Start())
	require.NoError(b.t, slave.Close())
	s.program = cmd.Process
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(s, master) // ends with an error when the program does
		close(read)
	}()
	return s, func(sig syscall.Signal) int {
		if sig != 0 {
			_, err := master.WriteString("^C") // it echoes
			require.NoError(b.t, err)
			require.Eventually(b.t, func() bool { return s.came("^C") }, patience, time.Millisecond)
			require.NoError(b.t, cmd.Process.Signal(sig))
		}
		_ = cmd.Wait() // the state tells
		<-read
		_ = master.Close()
		require.NotContains(b.t, s.String(), testToken)
		return cmd.ProcessState.ExitCode()
	}
}

// sees waits for a text on the terminal.
func (b *testBundle) sees(s *emulator, pattern string) string {
	b.t.Helper()
	re := regexp.MustCompile(pattern)
	require.Eventually(b.t, func() bool { return re.MatchString(s.String()) }, patience, 20*time.Millisecond,
		"waited for %s on\n%s", pattern, s)
	return s.String()
}

// The bar shows rows done, rate now, 429s and the estimated end, and breaks no
// line, on a narrow terminal too.
func TestBar(t *testing.T) {
	for _, c := range []struct {
		columns int
		running string
	}{
		{80, `(?m)^batch 1 n\.csv  20/60 rows \[=+>-+\]  33 %\n[0-9.]+ calls/s, 0 answered 429, 20 of 20 calls in 3 s, ends \S+ \(in \d+ s\)$`},
		{40, `(?m)^batch 1  20/60 rows \[=*>-+\]  33 %\n[0-9.]+ calls/s, 0 answered 429,\n20 of 20 calls in 3 s,\nends \S+ \(in \d+ s\)$`},
	} {
		t.Run(strconv.Itoa(c.columns), func(t *testing.T) {
			b := setup(t, standin.Config{Assets: 60}).with("WEBFLOW_RATE_LIMIT", "20/3s")
			b.file("n.csv", names(60))
			s, wait := b.watch(c.columns, "run", "n.csv")
			b.sees(s, c.running)
			require.Zero(t, wait(0))
			require.Regexp(t, `(?m)^batch 1 is loaded\nbatch 1( n\.csv)?  60/60 rows \[=+>\] 100 %\n`, s.String())
			require.Equal(t, 1, strings.Count(s.String(), "rows ["), "one bar:\n%s", s)
			require.Empty(t, s.wrapped)
		})
	}
}

// All running batches have a bar, in any size of the terminal, and each ends with
// a line.
func TestBars(t *testing.T) {
	b := setup(t, standin.Config{Assets: 60}).with("WEBFLOW_RATE_LIMIT", "10/2s")
	b.enqueue(names(40), "--name", "first")
	gone := "asset_id,display_name\n"
	for i := range 20 {
		gone += standin.AssetID(100+i) + ",gone.jpg\n"
	}
	b.enqueue(gone, "--name", "second")
	s, wait := b.watch(80, "status", "--watch")
	b.sees(s, `(?m)^batch 1 first +0/40 rows \[-+\]   0 %\n`+
		`batch 2 second +0/20 rows \[-+\]   0 %\n  40 rows of other batches come first\n`+
		"site default: no worker is running; `relabel work` sends it$")
	work := b.start("", "work", "--until-done")
	b.sees(s, `(?m)^batch 1 first +[1-9]\d/40 rows`)
	s.resize(40, 24)
	b.sees(s, `(?m)^batch 1  +\d+/40 rows \[.+\n  [0-9.]+ calls/s, 0 answered 429,( ends .*)?\n(.*\n)+batch 2`)
	s.resize(100, 5)
	b.sees(s, `(?m)^batch 1 first .*\n  [0-9.]+ calls/s.*\nand 1 more batch: relabel status\nsite default: `)
	s.resize(100, 30)
	b.sees(s, `(?m)^batch 2 second  +[1-9]\d?/20 rows .*\n(.*\n)*.* \d+ failed(.*\n)+lately \d+ × HTTP 404 (.*\n)?.*line\s+\d+,\s+asset`)
	require.Zero(t, wait(0))
	require.Equal(t, exitTrouble, work.wait().code)
	require.Regexp(t, `(?m)^Batch 1 "first" on site default is done after .*: 40 succeeded\n`, s)
	require.Regexp(t, `(?m)^Batch 2 "second" on site default is done after .*: 20 failed\nbatch 2 second  20/20 rows \[=+>\] 100 %`, s)
	require.Equal(t, 1, strings.Count(s.String(), "rows ["), "one bar is left:\n%s", s)
	require.False(t, s.torn)
}

// A batch that is cancelled while it is watched is told of.
func TestBarOfCancelled(t *testing.T) {
	b := setup(t, standin.Config{Assets: 10})
	id := b.enqueue(names(10), "--name", "first")
	s, wait := b.watch(80, "status", "--watch")
	b.sees(s, `(?m)^batch 1 first  0/10 rows`)
	b.ok("batch", "cancel", id)
	require.Zero(t, wait(0))
	require.Regexp(t, `Batch 1 "first" on site default is cancelled after \d+ s: 10 cancelled`, s)
}

// A terminal that can't move its cursor gets lines.
func TestDumbTerminal(t *testing.T) {
	b := setup(t, standin.Config{Assets: 20}).with("TERM", "dumb").with("WEBFLOW_RATE_LIMIT", "10/1s")
	b.file("n.csv", names(20))
	s, wait := b.watch(80, "run", "n.csv")
	require.Zero(t, wait(0))
	require.Contains(t, s.String(), "batch 1 n.csv: ")
	require.NotContains(t, string(s.all), "\x1b")
}

// Log lines go above the bar, and none is lost at its end.
func TestBarAndLog(t *testing.T) {
	b := setup(t, standin.Config{Assets: 40}).with("WEBFLOW_RATE_LIMIT", "20/1s")
	b.file("n.csv", names(40))
	s, wait := b.watch(400, "run", "n.csv", "--verbose")
	require.Zero(t, wait(0))
	text := s.String()
	require.Equal(t, 1, strings.Count(text, "rows ["), "one bar:\n%s", text)
	require.Contains(t, text, "level=INFO")
	for _, line := range strings.Split(text, "\n") {
		require.Equal(t, strings.Contains(line, "level="), strings.HasPrefix(line, "time="), line)
	}
}

// A worker's bar counts what it finds and goes on; a signal leaves it as it is.
func TestWorkBar(t *testing.T) {
	b := setup(t, standin.Config{Assets: 40})
	s, wait := b.watch(80, "work")
	b.sees(s, `site default  0/0 rows`)
	b.enqueue(names(40))
	b.sees(s, `(?m)^site default  40/40 rows \[=+>\] 100 %\n`)
	b.enqueue("asset_id,display_name\n" + standin.AssetID(0) + ",other\n")
	b.sees(s, `site default  41/41 rows`)
	require.Zero(t, wait(syscall.SIGTERM))
	require.Equal(t, 1, strings.Count(s.String(), "rows ["), "one bar:\n%s", s)
	require.NotContains(t, s.String(), "^C")
	require.Regexp(t, `stopped; 0 rows are left to send\s*$`, s.String())
	require.Empty(t, s.wrapped)
}

// Results on a terminal can't control it; elsewhere they are exact.
func TestResultsOnTerminal(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	id := b.enqueue(names(1))
	b.inDatabase(`UPDATE relabel.rename SET display_name = E'a\x1b]0;title\u0007\u009b2J'`)
	require.Contains(t, b.ok("results", id).stdout, "\x1b]0;title")
	master, slave, err := pty.Open()
	require.NoError(t, err)
	cmd := b.command("results", id)
	cmd.Stdout = slave
	require.NoError(t, cmd.Start())
	require.NoError(t, slave.Close())
	shown, _ := io.ReadAll(master) // ends with an error when the program does
	require.NoError(t, cmd.Wait())
	require.NoError(t, master.Close())
	require.Contains(t, string(shown), `a\u001b]0;title\u0007\u009b2J`)
	require.NotContains(t, string(shown), "\x1b")
}
