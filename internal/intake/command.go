package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/mattn/go-shellwords"
)

const (
	// commandIdle is how long a command may write nothing: as long as a query may take for its next rows.
	commandIdle = sqlFetchTimeout

	// commandGrace is how long a command whose output is no CSV may take to say with its exit code why.
	commandGrace = 2 * time.Second
)

// CommandParams says which command writes the CSV.
type CommandParams struct {
	Line  string   // its words, which are split without a shell, or what the shell runs
	Shell bool     // let a shell run it
	Env   []string // all that it gets of the environment
	CSV   CSVParams

	Idle time.Duration // default 10 min
}

// Command reads the CSV that a command writes. If the command fails, its rows end with an error, so nothing of them should
// be kept.
type Command struct {
	*CSV
	process *process
	name    string
}

// CommandName is the program that a command runs. Messages and batches show nothing else of it: its arguments may hold
// secrets.
func CommandName(line string, shell bool) string {
	if words, err := splitCommand(line); err == nil && !shell {
		return filepath.Base(words[0])
	}
	return "the shell command"
}

// CheckCommand checks a command before it is stored.
func CheckCommand(line string, shell bool) error {
	_, err := commandWords(line, shell)
	return err
}

// OpenCommand starts a command and reads the header of its output.
func OpenCommand(ctx context.Context, params CommandParams) (*Command, error) {
	words, err := commandWords(params.Line, params.Shell)
	if err != nil {
		return nil, err
	}
	if params.Idle == 0 {
		params.Idle = commandIdle
	}
	c := &Command{name: CommandName(params.Line, params.Shell)}
	params.CSV.Name = c.name
	if c.process, err = startProcess(ctx, words, params.Env, params.Idle); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	if c.CSV, err = NewCSV(c.process, params.CSV); err != nil {
		err = c.explain(err)
		c.process.stop()
		return nil, err
	}
	return c, nil
}

func commandWords(line string, shell bool) ([]string, error) {
	if shell {
		return append(shellWords(), line), nil
	}
	return splitCommand(line)
}

// splitCommand splits at spaces, as a shell does, with quotes and backslashes. It knows no variables, wildcards or pipes.
func splitCommand(line string) ([]string, error) {
	parser := shellwords.NewParser()
	parser.ParseEnv, parser.ParseBacktick, parser.ParseComment = false, false, false
	words, err := parser.Parse(line)
	switch {
	case err != nil:
		return nil, errors.New("the command has an open quote, or parentheses outside of quotes: close it, or let a shell run it with --exec-shell")
	case parser.Position >= 0:
		return nil, errors.New("the command has one of | & ; < > outside of quotes, which only a shell understands: put it in quotes, or let a shell run it with --exec-shell")
	case len(words) == 0:
		return nil, errors.New("the command is empty: give a program that writes CSV, and its arguments")
	}
	return words, nil
}

// Chunks is CSV.Chunks, with the command's own failure in place of what it did to the CSV.
func (c *Command) Chunks(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		for rows, err := range c.CSV.Chunks(ctx) {
			if err != nil {
				err = c.explain(err)
			}
			if !yield(rows, err) {
				return
			}
		}
	}
}

// explain prefers the failure of the command to that of its output: a command that fails often writes no CSV, or half of
// one.
func (c *Command) explain(err error) error {
	if failure := c.process.failure(commandGrace); failure != nil {
		return fmt.Errorf("%s: %w", c.name, failure)
	}
	return err
}

// Close ends the command, if it still runs.
func (c *Command) Close() error {
	c.process.stop()
	return nil
}
