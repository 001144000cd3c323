package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// maxRecord bounds the memory of a record and what an open quote can swallow. Real rows are a thousand times shorter.
	maxRecord = 1 << 20
	// readSize is large enough that reading costs little beside parsing, and small beside the memory limit.
	readSize = 256 << 10
	// emptyReads is how often a reader may return nothing before it is called broken, as in bufio.
	emptyReads = 100
)

// record is one record of the text, without its line end. raw is good until the next call of records.
type record struct {
	place
	raw    []byte
	quoted bool // holds a quote somewhere
}

// place is where a record starts.
type place struct {
	line   int64 // 1-based
	offset int64 // of its first byte in the file, 0-based
}

// records finds where the records of a text end. It looks at every byte with vectorised searches only, unless a record holds
// quotes.
type records struct {
	src   io.Reader
	sep   byte
	buf   []byte
	pos   int // unread text is buf[pos:end]
	end   int
	eof   bool
	place // of pos
	// The next of each at or after pos. Without these marks a file of lone CRs would be searched for LF again at every record.
	lf, cr, quote mark
}

func newRecords(src io.Reader, offset int64) *records {
	r := &records{src: src, sep: ',', buf: make([]byte, readSize), place: place{1, offset}}
	r.forget()
	return r
}

// next returns the next record that is not an empty line, io.EOF after the last.
func (r *records) next() (record, error) {
	for {
		s, err := r.peek()
		if err != nil {
			return record{}, err
		}
		rec := record{place: r.place, raw: r.content(s), quoted: s.quoted}
		r.advance(s)
		if s.content > 0 {
			return rec, nil
		}
	}
}

func (r *records) content(s span) []byte { return r.buf[r.pos : r.pos+s.content] }

func (r *records) advance(s span) {
	r.pos += s.size
	r.offset += int64(s.size)
	r.line += s.lines
}

// peek finds the record at pos, reading as much as that takes and no more than maxRecord.
func (r *records) peek() (span, error) {
	for {
		s, found := r.find()
		if pending := r.end - r.pos; !found && !r.eof && pending <= maxRecord {
			if err := r.fill(pending); err != nil {
				return span{}, err
			}
			continue
		}
		switch {
		case r.pos == r.end:
			return span{}, io.EOF
		case found && s.content <= maxRecord:
			return s, nil
		}
		return span{}, r.tooFar(s, found)
	}
}

// tooFar explains a record that does not end where it should.
func (r *records) tooFar(s span, found bool) error {
	if found || s.open < 0 {
		return fmt.Errorf("line %d: the row that starts here is longer than 1 MiB: "+
			"look for a missing line end or a file that is not CSV", r.line)
	}
	line := r.line + countBreaks(r.buf[r.pos:r.pos+s.open])
	if r.eof && r.end-r.pos <= maxRecord {
		return fmt.Errorf("line %d: a quote opened here is never closed: close it, or double it if it belongs to the text", line)
	}
	return fmt.Errorf("line %d: a quote opened here is not closed within 1 MiB: close it, or double it if it belongs to the text", line)
}

// fill reads at least as much again as is pending: a record that comes in small reads is then searched a few
// times, not once for every read.
func (r *records) fill(pending int) error {
	want := max(1, min(pending, maxRecord+1-pending))
	copy(r.buf, r.buf[r.pos:r.end])
	r.pos, r.end = 0, pending
	if len(r.buf)-r.end < want {
		r.buf = append(make([]byte, 0, 2*len(r.buf)), r.buf[:r.end]...)
		r.buf = r.buf[:cap(r.buf)]
	}
	r.forget()
	for empty := 0; want > 0 && !r.eof; {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		want -= n
		if empty++; n > 0 {
			empty = 0
		}
		switch {
		case errors.Is(err, io.EOF):
			r.eof = true
		case err != nil:
			return fmt.Errorf("error reading on from line %d: %w", r.line, err)
		case empty == emptyReads:
			return fmt.Errorf("error reading on from line %d: %w", r.line, io.ErrNoProgress)
		}
	}
	return nil
}

func (r *records) forget() { r.lf, r.cr, r.quote = -1, -1, -1 }

// mark caches the position of a byte's next occurrence.
type mark int

func (m *mark) next(text []byte, from int, c byte) int {
	if int(*m) < from {
		*m = mark(len(text))
		if i := bytes.IndexByte(text[from:], c); i >= 0 {
			*m = mark(from + i)
		}
	}
	return int(*m)
}
