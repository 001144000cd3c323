package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"relabel/internal/intake"
	"relabel/internal/terminal"
	"relabel/internal/xlsx"
)

func registerOverwrite(cmd *cobra.Command, overwrite *bool) {
	cmd.Flags().BoolVar(overwrite, "overwrite", false, "with -o: replace the file even if relabel did not write it")
}

// mayWrite protects a person's file: -o replaces only relabel's own exports, unless
// --overwrite or an answer on the terminal allows more.
func (a *app) mayWrite(ctx context.Context, path string, overwrite bool) error {
	if overwrite || path == "" || path == "-" || !isForeignFile(path) {
		return nil
	}
	if terminal.Is(a.In) {
		if ok, err := a.confirm(ctx, fmt.Sprintf("relabel did not write %s. Overwrite it?", path)); ok || err != nil {
			return err
		}
		return exitErr{exitError, path + " is unchanged"}
	}
	return usageError("-o: relabel did not write %s: name another file, or add --overwrite", path)
}

// isForeignFile reports whether a file has content that relabel did not write, by its
// first line. A workbook says in its properties which program saved it last.
func isForeignFile(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false // there is none; if it can't be reached, writing says why
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	line, _ := bufio.NewReader(io.LimitReader(f, 64<<10)).ReadString('\n') // a longer line is none of ours
	if xlsx.IsWorkbook([]byte(line)) {
		return isForeignWorkbook(f, info.Size())
	}
	if strings.HasPrefix(line, "{") {
		return !strings.Contains(line, `"asset_id":`) || !strings.Contains(line, `"status":`) // results as JSON lines
	}
	return !intake.IsExport(line)
}

func isForeignWorkbook(f io.ReaderAt, size int64) bool {
	book, err := xlsx.Open(f, size)
	if err != nil {
		return true
	}
	defer book.Close() //nolint:errcheck // only read from
	_, application := book.Creator()
	return application != xlsx.Creator
}
