package xlsx

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

const (
	// inMemory is how much of the shared strings is kept in memory. What is more goes to a temporary file.
	inMemory = 16 << 20
	// maxTexts bounds that file. 1,048,576 rows with 1,000 bytes each, all different, are below it. An end fits into 32 bits.
	maxTexts = 2 << 30
	// maxCount bounds their number: 1,048,576 rows, which is all that a sheet has, times 16 columns of different texts. Each
	// takes 4 bytes of memory, however short it is, so all of them 64 MiB.
	maxCount = 16 << 20
	// endsChunk makes the list of ends grow without copying it.
	endsChunk = 64 << 10
	// window is how much is read at once. Neighbours in a row are mostly neighbours here.
	window = 4 << 10
)

// texts are the shared strings of a workbook, one after the other.
type texts struct {
	ends   [][]uint32 // where each text ends, in chunks of endsChunk
	count  int
	size   int64
	buf    []byte   // what is not in the file
	file   *os.File // nil while everything is in memory
	cached []byte   // what was read last from the file
	start  int64    // of cached
}

func (t *texts) add(text string) error {
	if t.size += int64(len(text)); t.size > maxTexts {
		return errors.New(`its texts are longer than 2 GiB: save the sheet as "CSV UTF-8"`)
	}
	if t.count == maxCount {
		return errors.New(`it holds more than 16,777,216 different texts: save the sheet as "CSV UTF-8"`)
	}
	t.buf = append(t.buf, text...)
	if t.count%endsChunk == 0 {
		t.ends = append(t.ends, make([]uint32, 0, endsChunk))
	}
	last := len(t.ends) - 1
	t.ends[last] = append(t.ends[last], uint32(t.size)) // below maxTexts
	t.count++
	if len(t.buf) < inMemory {
		return nil
	}
	return t.flush()
}

// flush writes the texts in memory to the file.
func (t *texts) flush() (err error) {
	if t.file == nil {
		if t.file, err = TempFile(); err != nil {
			return err
		}
	}
	_, err = t.file.Write(t.buf)
	t.buf = t.buf[:0]
	if err != nil {
		return TempError(err)
	}
	return nil
}

// get returns a text by its number.
func (t *texts) get(i int) (string, error) {
	if i < 0 || i >= t.count {
		return "", damaged(fmt.Errorf("there is no text number %d", i))
	}
	var from int64
	if i > 0 {
		from = t.end(i - 1)
	}
	to := t.end(i)
	if t.file == nil {
		return string(t.buf[from:to]), nil
	}
	if from < t.start || to > t.start+int64(len(t.cached)) {
		if err := t.read(from, int(to-from)); err != nil {
			return "", err
		}
	}
	return string(t.cached[from-t.start : to-t.start]), nil
}

func (t *texts) end(i int) int64 { return int64(t.ends[i/endsChunk][i%endsChunk]) }

func (t *texts) read(from int64, need int) error {
	size := max(need, window)
	if cap(t.cached) < size {
		t.cached = make([]byte, size)
	}
	n, err := t.file.ReadAt(t.cached[:size], from)
	if t.start, t.cached = from, t.cached[:n]; n < need {
		return fmt.Errorf("error reading the temporary file: %w", err)
	}
	return nil
}

func (t *texts) close() error {
	if t.file == nil {
		return nil
	}
	return CloseTemp(t.file)
}

// TempFile makes a file in the folder for temporary files (TMPDIR), which only its owner may read. Where the system allows
// it, the file has no name any more, so that nothing is left of it after a crash. Close it with CloseTemp.
func TempFile() (*os.File, error) {
	f, err := os.CreateTemp("", "relabel-*.xlsx")
	if err != nil {
		return nil, TempError(err)
	}
	_ = os.Remove(f.Name()) // on Windows CloseTemp does it
	return f, nil
}

// TempError says what to do about a temporary file that can't be made or written. Mostly the disk is full, which says
// itself only that some file could not be written.
func TempError(err error) error {
	return fmt.Errorf("a workbook needs a temporary file (set TMPDIR to a folder with space): %w", err)
}

// CloseTemp closes and removes a file that TempFile made.
func CloseTemp(f *os.File) error {
	err := f.Close()
	_ = os.Remove(f.Name()) // mostly gone already
	return err
}

// sharedText returns a shared string by the number that a cell holds. The first call reads all of them.
func (b *Book) sharedText(number string) (string, error) {
	if !b.loaded && b.shared != "" {
		if err := b.readShared(); err != nil {
			return "", err
		}
	}
	b.loaded = true
	i, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		return "", damaged(fmt.Errorf("there is no text number %q", number))
	}
	return b.texts.get(i)
}

func (b *Book) readShared() error {
	p, err := b.open(b.shared)
	if err != nil {
		return err
	}
	for {
		token, err := p.next()
		if err != nil {
			_ = p.src.Close() // the first error counts
			return damaged(fmt.Errorf("%s: %w", b.shared, err))
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "si" {
				err = b.addShared(p)
			}
		case xml.EndElement:
			if t.Name.Local == "sst" {
				return b.endShared(p)
			}
		}
		if err != nil {
			_ = p.src.Close() // the first error counts
			return err
		}
	}
}

func (b *Book) addShared(p *part) error {
	text, err := p.rich("si")
	if err != nil {
		return damaged(fmt.Errorf("%s: %w", b.shared, err))
	}
	return b.texts.add(text)
}

func (b *Book) endShared(p *part) error {
	if err := p.finish(); err != nil {
		return damaged(fmt.Errorf("%s: %w", b.shared, err))
	}
	if b.texts.file == nil {
		return nil
	}
	err := b.texts.flush()
	b.texts.buf = nil
	return err
}

// unescape turns _x000D_ into the character with that number, as which Excel writes what XML can't hold. Excel writes
// _x005F_ for an underscore that would begin such a sequence.
func unescape(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "_x")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		code, err := strconv.ParseUint(after[:min(len(after), 4)], 16, 16)
		if err != nil || len(after) < 5 || after[4] != '_' {
			out.WriteString("_x")
			text = after
			continue
		}
		out.WriteRune(rune(code))
		text = after[5:]
	}
}
