package xlsx

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

const (
	// bombSize is what any part may unpack to, and bombRatio how many times its size a larger one. Real sheets reach 30, and
	// a column with the same text in every row 100; repeated bytes reach 1,000.
	bombSize  = 64 << 20
	bombRatio = 200

	// maxToken bounds one text of the XML. A cell has at most 32,767 characters.
	maxToken = 1 << 20
)

var errToken = errors.New("a text in it is longer than 1 MiB, and a cell has at most 32,767 characters")

// part streams the XML of one file of the workbook.
type part struct {
	src     io.ReadCloser
	tokens  *xml.Decoder
	pending int // bytes since the last token
}

// open starts to read a part.
func (b *Book) open(name string) (*part, error) {
	f := b.parts[name]
	switch {
	case f.Flags&1 != 0:
		return nil, errors.New("is a zip file with a password: save the workbook without one")
	case f.UncompressedSize64 > bombSize && f.UncompressedSize64/bombRatio > f.CompressedSize64:
		return nil, fmt.Errorf("unpacks to more than %d times its size, as no workbook of real rows does: save it as \"CSV UTF-8\"", bombRatio)
	}
	src, err := f.Open()
	if err != nil {
		return nil, damaged(err)
	}
	p := &part{src: src}
	p.tokens = xml.NewDecoder(p)
	return p, nil
}

// Read implements io.Reader for the decoder, which keeps one token in memory.
func (p *part) Read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	if p.pending += n; p.pending > maxToken {
		return 0, errToken
	}
	return n, err
}

// next returns the next token, which is valid until the one after it. The end of the part is an error: each caller stops at
// an end tag.
func (p *part) next() (xml.Token, error) {
	p.pending = 0
	token, err := p.tokens.RawToken()
	if errors.Is(err, io.EOF) {
		err = errors.New("it ends early")
	}
	return token, err
}

// finish reads the rest of the part, because the checksum is at its end.
func (p *part) finish() error {
	_, err := io.Copy(io.Discard, p.src)
	return errors.Join(err, p.src.Close())
}

// text reads up to the end tag of an element and returns its text.
func (p *part) text(element string) (string, error) {
	var text []byte
	for {
		token, err := p.next()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			if text = append(text, t...); len(text) > maxToken {
				return "", errToken
			}
		case xml.EndElement:
			if t.Name.Local == element {
				return string(text), nil
			}
		}
	}
}

// rich reads the text of a shared or inline string up to the end tag of its element. Its runs may have several formats;
// phonetic hints (rPh) are left out.
func (p *part) rich(element string) (string, error) {
	text, hints := "", false
	for {
		token, err := p.next()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if hints = hints || t.Name.Local == "rPh"; t.Name.Local != "t" {
				continue
			}
			run, err := p.text("t")
			if err != nil {
				return "", err
			}
			if !hints {
				text += run
			}
			if len(text) > maxToken {
				return "", errToken
			}
		case xml.EndElement:
			if hints = hints && t.Name.Local != "rPh"; t.Name.Local == element {
				return unescape(text), nil
			}
		}
	}
}

// document decodes a small part as a whole.
func (b *Book) document(name string, into any) error {
	p, err := b.open(name)
	if err != nil {
		return err
	}
	defer p.src.Close() //nolint:errcheck // only read from
	if err := xml.NewDecoder(io.LimitReader(p.src, maxDocument)).Decode(into); err != nil {
		return damaged(fmt.Errorf("%s: %w", name, err))
	}
	return nil
}

// bytes reads a small part as a whole.
func (b *Book) bytes(name string) ([]byte, error) {
	p, err := b.open(name)
	if err != nil {
		return nil, err
	}
	defer p.src.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(p.src, maxDocument))
	if err != nil {
		return nil, damaged(fmt.Errorf("%s: %w", name, err))
	}
	return data, nil
}

// damaged says what to do with a workbook that can't be read.
func damaged(err error) error {
	if errors.Is(err, zip.ErrAlgorithm) {
		err = errors.New("its compression is unknown")
	}
	return fmt.Errorf("the workbook is damaged (%w): copy it again, or open it in a spreadsheet and save it again", err)
}
