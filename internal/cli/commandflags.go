package cli

import (
	"cmp"

	"github.com/spf13/pflag"

	"relabel/internal/intake"
)

// commandFlags are a command that writes the rows as CSV.
type commandFlags struct {
	exec, shell string
}

func (f *commandFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.exec, "exec", "", "read the CSV that this `COMMAND` writes; its words are split without a shell")
	fs.StringVar(&f.shell, "exec-shell", "", "the same, but a shell runs the `COMMAND`, with its variables and pipes")
}

// check refuses what can't be split into words, before anything is opened.
func (f *commandFlags) check() error {
	if f.exec == "" {
		return nil
	}
	if err := intake.CheckCommand(f.exec, false); err != nil {
		return usageError("--exec: %s", err)
	}
	return nil
}

// given is the command, and whether a shell runs it.
func (f *commandFlags) given() (command string, shell bool) {
	return cmp.Or(f.shell, f.exec), f.shell != ""
}
