package intake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/transform"
)

// The encodings a text can have, as Info names them.
const (
	encodingUTF8    = "UTF-8"
	encodingUTF16LE = "UTF-16LE"
	encodingUTF16BE = "UTF-16BE"
)

var errEmpty = errors.New("is empty: it needs a header row, such as asset_id,display_name, and rows below it")

// text is a source made UTF-8.
type text struct {
	io.Reader
	encoding string
	gzip     bool
	offset   int64 // of its first byte in the (unzipped) file, after a byte order mark
}

// decode recognises the encoding of a source by its first bytes, and makes UTF-8 of it. Bytes that are not valid in the
// encoding become bytes that are not valid UTF-8, so that their row can be named.
func decode(src io.Reader) (text, error) {
	packed := &counter{src: src}
	in := bufio.NewReaderSize(packed, readSize)
	head, err := peek(in)
	if err != nil {
		return text{}, err
	}
	zipped := bytes.HasPrefix(head, []byte(gzipMagic))
	if zipped {
		zip, err := gzip.NewReader(in)
		if err != nil {
			return text{}, gzipError(err)
		}
		in = bufio.NewReaderSize(&gunzip{src: zip, packed: packed}, readSize)
		if head, err = peek(in); err != nil {
			return text{}, err
		}
	}
	if err := foreign(head); err != nil {
		return text{}, err
	}
	t := text{Reader: in, encoding: encodingUTF8, gzip: zipped}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		t.offset = 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		t.encoding, t.offset, t.Reader = encodingUTF16LE, 2, transform.NewReader(in, utf16Decoder{high: 1})
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		t.encoding, t.offset, t.Reader = encodingUTF16BE, 2, transform.NewReader(in, utf16Decoder{low: 1})
	}
	_, err = in.Discard(int(t.offset))
	return t, err
}

// peek returns the first bytes, fewer for a shorter file.
func peek(in *bufio.Reader) ([]byte, error) {
	head, err := in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return head, nil
}

const gzipMagic = "\x1f\x8b"

// foreign recognises files that people take for CSV, and says how to make CSV of them.
func foreign(head []byte) error {
	for _, f := range []struct{ magic, what string }{
		{"PK\x03\x04", "is an Excel workbook or another zip file in a .gz: unpack the .gz"},
		{"\xd0\xcf\x11\xe0", "is an old Excel workbook in a .gz: open it in a spreadsheet and save it as .xlsx"},
		{gzipMagic, "is zipped twice: unzip it once"},
		{"\x28\xb5\x2f\xfd", "is zstd compressed: unpack it, or use gzip"},
		{"BZh", "is bzip2 compressed: unpack it, or use gzip"},
		{"\xfd7zXZ\x00", "is xz compressed: unpack it, or use gzip"},
		{"\xff\xfe\x00\x00", `is UTF-32: save it as "CSV UTF-8"`},
		{"\x00\x00\xfe\xff", `is UTF-32: save it as "CSV UTF-8"`},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return errors.New(f.what)
		}
	}
	return nil
}
