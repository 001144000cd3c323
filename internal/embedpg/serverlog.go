//go:build unix

package embedpg

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// logMax is the size at which a start renames the log to .old: months of starts and stops.
	logMax = 4 << 20
	// tailMax is how much of the log's end is read after a failed start: some 100 lines.
	tailMax = 16 << 10
	// tailLines and lineMax cut an error to what fits on a screen. PostgreSQL's last lines say what is wrong.
	tailLines = 4
	lineMax   = 600
)

// openLog opens the server's log for appending, and returns where this start begins in it. The folder is ours and not the
// account's, so nobody can replace the log by a symlink.
func openLog(path string) (f *os.File, start int64, err error) {
	if err := mkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, 0, fmt.Errorf("error making log folder: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > logMax {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, 0, fmt.Errorf("error putting log aside: %w", err)
		}
	}
	f, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("error opening log: %w", err)
	}
	start, err = f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, fmt.Errorf("error opening log: %w", err)
	}
	return f, start, nil
}

// readLog returns the log's end, at most from start on. It returns "" for a log that can't be read.
func readLog(path string, start int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil {
		start = max(start, info.Size()-tailMax)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, start, tailMax))
	return string(text)
}

// lastLines joins the last lines of a program's output to one line.
func lastLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "there was no output"
	}
	return oneLine(strings.Join(lines[max(0, len(lines)-tailLines):], "; "))
}

// oneLine turns all white space into single blanks. A long text loses its beginning, since the end is what matters.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > lineMax {
		text = "…" + strings.ToValidUTF8(text[len(text)-lineMax:], "")
	}
	return text
}
