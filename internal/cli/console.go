package cli

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Size of a terminal that does not tell its own.
const (
	fallbackWidth  = 80
	fallbackHeight = 24
)

// fder is a file that may be a terminal.
type fder interface{ Fd() uintptr }

// console draws pictures on a terminal, each over the one before, for mpb. It
// is its own because mpb's moves the cursor up by the lines it wrote: a terminal
// that has become narrower since breaks these, and the bars would be drawn again
// and again below each other.
type console struct {
	bytes.Buffer // what is drawn next: lines that stay, and the picture
	file         *os.File
	drawn        []string // lines of the last picture
}

// IsTerminal implements mpb.ConsoleWriter.
func (c *console) IsTerminal() bool { return true }

// GetTermSize implements mpb.ConsoleWriter. The height is any: mpb would leave out
// the first lines, and counts empty ones, where a picture is cut to fit before.
func (c *console) GetTermSize() (width, height int, err error) {
	width, _ = c.size()
	return width, math.MaxInt, nil
}

// size is the room for a picture: one line less than the terminal has, as the
// cursor stands below it.
func (c *console) size() (width, height int) {
	width, height, err := term.GetSize(int(c.file.Fd()))
	if err != nil || width <= 0 || height <= 0 { // a serial line, some containers
		width, height = fallbackWidth, fallbackHeight
	}
	return width, max(height-1, 1)
}

// Flush implements mpb.ConsoleWriter: what was written last is the picture, of so
// many lines. It begins at the left edge, as the terminal itself may have written
// there, such as ^C.
func (c *console) Flush(lines int) error {
	width, _ := c.size()
	out := bytes.NewBufferString("\r")
	if n := rowsOf(c.drawn, width); n > 0 {
		fmt.Fprintf(out, "\x1b[%dA", n)
	}
	out.WriteString("\x1b[J")
	all := strings.SplitAfter(c.String(), "\n")
	all = all[:len(all)-1] // empty, behind the last line's end
	c.drawn = all[len(all)-min(lines, len(all)):]
	_, _ = c.WriteTo(out) // never fails
	_, err := c.file.Write(out.Bytes())
	return err //nolint:wrapcheck // mpb's caller sees it
}

// rowsOf counts the rows that lines take on a terminal. (Few terminals cut
// lines when they become narrower instead of breaking them; there as many rows
// above the picture are lost.)
func rowsOf(lines []string, width int) (n int) {
	for _, line := range lines {
		n += max((runewidth.StringWidth(strings.TrimSuffix(line, "\n"))+width-1)/width, 1)
	}
	return n
}
