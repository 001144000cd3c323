package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"relabel/internal/dbtest"
)

// relabelBinary is the program under test, built once, as users run it.
//
//nolint:gochecknoglobals // TestMain has no other way to hand it on
var relabelBinary string

func TestMain(m *testing.M) {
	dbtest.AtOnce(8) // they wait for other processes most of the time
	os.Exit(runWithBinary(m))
}

func runWithBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "relabel-cli-test-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	relabelBinary = filepath.Join(dir, "relabel")
	args := []string{"build", "-o", relabelBinary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "relabel/cmd/relabel")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "error building relabel: %s\n%s", err, out)
		return 1
	}
	return m.Run()
}
