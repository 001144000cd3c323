package terminal

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// The size that is assumed for a terminal of unknown size.
const (
	fallbackWidth  = 80
	fallbackHeight = 24
)

// console draws frames for mpb, each over the one before. mpb's own writer moves the
// cursor up by the number of lines it wrote. A terminal that became narrower since
// has broken them into more rows, and the bars would pile up below each other. So
// console counts rows at the width of the moment.
type console struct {
	bytes.Buffer // what is drawn next: lines that stay, then the frame
	file         *os.File
	drawn        []string // the lines of the last frame
}

// IsTerminal implements mpb.ConsoleWriter.
func (c *console) IsTerminal() bool { return true }

// GetTermSize implements mpb.ConsoleWriter. It reports no limit of height: at a
// limit mpb omits the first lines, and counts empty ones too. Frame.cut does it
// better.
func (c *console) GetTermSize() (width, height int, err error) {
	width, _ = c.size()
	return width, math.MaxInt, nil
}

// size is the room for a frame. It has one line less than the terminal, because the
// cursor is below the frame.
func (c *console) size() (width, height int) {
	width, height, err := term.GetSize(int(c.file.Fd()))
	if err != nil || width <= 0 || height <= 0 { // a serial line, some containers
		width, height = fallbackWidth, fallbackHeight
	}
	return width, max(height-1, 1)
}

// Flush implements mpb.ConsoleWriter. The last lines of the buffer are the frame. It
// begins with a carriage return, because the terminal itself may have printed
// something, such as ^C.
func (c *console) Flush(lines int) error {
	width, _ := c.size()
	out := bytes.NewBufferString("\r")
	if n := rowsOf(c.drawn, width); n > 0 {
		fmt.Fprintf(out, "\x1b[%dA", n)
	}
	out.WriteString("\x1b[J")
	all := strings.SplitAfter(c.String(), "\n")
	all = all[:len(all)-1] // the empty text after the last line
	c.drawn = all[len(all)-min(lines, len(all)):]
	_, _ = c.WriteTo(out) // never fails
	_, err := c.file.Write(out.Bytes())
	return err //nolint:wrapcheck // mpb's caller sees it
}

// rowsOf counts the rows that lines take on a terminal of this width. (A few
// terminals cut lines when they become narrower; there, as many rows above the
// frame are lost.)
func rowsOf(lines []string, width int) (n int) {
	for _, line := range lines {
		n += max((runewidth.StringWidth(strings.TrimSuffix(line, "\n"))+width-1)/width, 1)
	}
	return n
}
