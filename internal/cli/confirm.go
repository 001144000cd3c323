package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"relabel/internal/terminal"
	"relabel/internal/text"
)

// confirm asks a question on the terminal; anything but yes means no. Without a
// terminal, --yes is required.
func (a *app) confirm(ctx context.Context, question string) (bool, error) {
	if !terminal.Is(a.In) {
		return false, usageError("can't ask for confirmation here: add --yes")
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", text.Escape(question, "\n"))
	answer, err := bufio.NewReader(newInput(ctx, a.In)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, exitErr{exitError, "interrupted"}
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
