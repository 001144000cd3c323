package terminal

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// enableDrawing makes a console understand the sequences that move the cursor.
func enableDrawing(f *os.File) error {
	var mode uint32
	h := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return fmt.Errorf("error reading the console's mode: %w", err)
	}
	if err := windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING); err != nil {
		return fmt.Errorf("error setting the console's mode: %w", err)
	}
	return nil
}
