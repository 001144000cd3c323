package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"relabel/internal/people"
	"relabel/internal/terminal"
)

func (a *app) userHashCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "hash NAME",
		Short: "Print a person's line for serve --users",
		Long: `Reads a password and prints the line of a person for the file of serve --users: name, role and hash
(argon2id). On a terminal it asks for the password twice and does not show it. Otherwise the first
line of standard input is the password. It opens no database and stores nothing.`,
		Example: `  relabel user hash anna --role change >> users
  pass show relabel/ben | relabel user hash ben@example.com >> users`,
		Args:              userArg,
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := people.CheckRole(people.Role(role)); err != nil {
				return usageError("--role: %s", err)
			}
			return a.userHash(cmd.Context(), args[0], people.Role(role))
		},
	}
	cmd.Flags().StringVar(&role, "role", string(people.Look), "what the person may do, as a `ROLE`: look, or change too")
	completeWords(cmd, "role", []string{string(people.Look), string(people.Change)})
	return cmd
}

func userArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("`%s` takes one name; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	if err := people.CheckName(args[0]); err != nil {
		return usageError("%q can't be a name: %s", args[0], err)
	}
	return nil
}

// userJSON is what `user hash` prints with --json.
type userJSON struct {
	Name string      `json:"name"`
	Role people.Role `json:"role"`
	Hash string      `json:"hash"`
	Line string      `json:"line"` // for the file
}

func (a *app) userHash(ctx context.Context, name string, r people.Role) error {
	password, err := a.newPassword(ctx, name)
	if err == nil {
		err = people.CheckPassword(password)
	}
	if err != nil {
		return err
	}
	hash := people.Hash(password)
	line := people.Line(name, r, hash)
	if a.json {
		return a.result.print(userJSON{name, r, hash, line})
	}
	fmt.Fprintln(a.Out, line)
	return nil
}

// newPassword reads a new password: twice from a terminal, as nobody sees what is typed.
func (a *app) newPassword(ctx context.Context, name string) (string, error) {
	if !terminal.Is(a.In) {
		line, err := bufio.NewReader(newInput(ctx, a.In)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("error reading the password from standard input: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := terminal.ReadPassword(ctx, a.In, a.Err, "Password of "+name+": ")
	if err != nil {
		return "", err
	}
	again, err := terminal.ReadPassword(ctx, a.In, a.Err, "The same again: ")
	if err == nil && first != again {
		err = errors.New("the two passwords differ: nothing was made")
	}
	return first, err
}
