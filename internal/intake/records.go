package intake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxRecord limits a record's memory, and how much text an open quote can swallow. Real rows are a thousand times shorter.
	maxRecord = 1 << 20
	// readSize makes the cost of a read small beside the cost of parsing. A few buffers of this size are in memory at a time.
	readSize = 256 << 10
)

// place is where a record starts.
type place struct {
	line   int64 // from 1
	offset int64 // of its first byte in the file, from 0
}

// record is one record of the text.
type record struct {
	place
	raw    string // without the line end
	quoted bool   // has a quote in it
	end    int    // index in records.text of the byte after the line end
}

// records finds where the records of a text end. Only records with quotes are read byte by byte; for all others three
// vectorised searches are enough.
type records struct {
	src   *bufio.Reader
	sep   byte
	text  string // what was read last; text[pos:] is still to come
	pos   int
	eof   bool
	place // of pos
	// The next LF, CR and quote. Without them, a file of lone CRs would be searched for an LF again at every record.
	lf, cr, quote mark
}

func newRecords(src io.Reader, offset int64) *records {
	return &records{src: bufio.NewReaderSize(src, readSize), sep: ',', place: place{1, offset}}
}

// next returns the next record that is not an empty line, and io.EOF after the last one.
func (r *records) next() (record, error) {
	for {
		rec, err := r.peek()
		if err != nil {
			return record{}, err
		}
		if r.advance(rec); rec.raw != "" {
			return rec, nil
		}
	}
}

// peek returns the next record, which may be an empty line, and stays before it.
func (r *records) peek() (record, error) {
	for {
		rec, open := r.find()
		complete := open < 0 && (r.eof || rec.end < len(r.text) || strings.HasSuffix(r.text[r.pos+len(rec.raw):], "\n"))
		pending := len(r.text) - r.pos
		switch {
		case r.eof && pending == 0:
			return record{}, io.EOF
		case complete && len(rec.raw) <= maxRecord:
			return rec, nil
		case complete, r.eof, pending > maxRecord+len("\r\n"):
			return record{}, r.noEnd(open)
		}
		if err := r.read(pending); err != nil {
			return record{}, err
		}
	}
}

// find measures the record at pos as if the text ended where r.text ends. open is the index of a quote that is not closed, or -1.
func (r *records) find() (rec record, open int) {
	open = -1
	end := min(r.lf.next(r.text, r.pos, '\n'), r.cr.next(r.text, r.pos, '\r'))
	quoted := r.quote.next(r.text, r.pos, '"') < end
	if quoted {
		end, open = quotedEnd(r.text, r.pos, r.sep)
	}
	next := min(end+1, len(r.text))
	if strings.HasPrefix(r.text[end:], "\r\n") {
		next++
	}
	return record{place: r.place, raw: r.text[r.pos:end], quoted: quoted, end: next}, open
}

func (r *records) advance(rec record) {
	switch {
	case rec.quoted:
		r.line += countBreaks(r.text[r.pos:rec.end])
	case rec.end-r.pos > len(rec.raw):
		r.line++
	}
	r.offset += int64(rec.end - r.pos)
	r.pos = rec.end
}

// noEnd explains a record that does not end where it should.
func (r *records) noEnd(open int) error {
	if open < 0 {
		return fmt.Errorf("line %d: the row that starts here is longer than 1 MiB: "+
			"look for a missing line end or a file that is not CSV", r.line)
	}
	where := "is not closed within 1 MiB"
	if r.eof && len(r.text)-r.pos <= maxRecord {
		where = "is never closed"
	}
	return fmt.Errorf("line %d: a quote opened here %s: close it, or double it if it belongs to the text",
		r.line+countBreaks(r.text[r.pos:open]), where)
}

// read reads at least as much again as is pending. A record that comes in small reads is then searched a few times,
// not once for every read.
func (r *records) read(pending int) error {
	_, err := r.src.Peek(max(1, min(pending, readSize)))
	if r.eof = errors.Is(err, io.EOF); err != nil && !r.eof {
		return fmt.Errorf("error reading on from line %d: %w", r.line, err)
	}
	more, _ := r.src.Peek(r.src.Buffered()) // only what is there: no error
	r.text, r.pos = r.text[r.pos:]+string(more), 0
	r.lf, r.cr, r.quote = -1, -1, -1
	_, err = r.src.Discard(len(more))
	return err
}

// mark caches the index of a byte's next occurrence, or the length of the text.
type mark int

func (m *mark) next(text string, from int, c byte) int {
	if int(*m) < from {
		*m = mark(len(text))
		if i := strings.IndexByte(text[from:], c); i >= 0 {
			*m = mark(from + i)
		}
	}
	return int(*m)
}

// countBreaks counts line ends: LF, CRLF and a CR alone.
func countBreaks(text string) int64 {
	return int64(strings.Count(text, "\n") + strings.Count(text, "\r") - strings.Count(text, "\r\n"))
}
