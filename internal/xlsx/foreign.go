package xlsx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
)

const (
	zipMagic = "PK\x03\x04"
	oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
)

// IsWorkbook reports by the first bytes of a file whether it may be a workbook. Open refuses other kinds of files that begin alike.
func IsWorkbook(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipMagic)) || bytes.HasPrefix(head, []byte(oleMagic))
}

// checkOLE recognises the container of old workbooks and of encrypted ones.
func checkOLE(r io.ReaderAt) error {
	head := make([]byte, 512)
	if n, _ := r.ReadAt(head, 0); n < len(oleMagic) || string(head[:len(oleMagic)]) != oleMagic {
		return nil // another kind of file; what can't be read fails again as a zip
	}
	// The directory starts in a sector whose number is at byte 48. Sectors have 512 bytes, and the header comes before them.
	directory := make([]byte, 4<<10)
	n, _ := r.ReadAt(directory, (int64(binary.LittleEndian.Uint32(head[48:]))+1)*512) // a short read has less in it
	if bytes.Contains(directory[:n], utf16Bytes("EncryptedPackage")) {
		return errors.New("is encrypted: open it with its password in a spreadsheet and save it without one")
	}
	return errors.New("is an old Excel workbook (.xls): open it in a spreadsheet and save it as .xlsx")
}

func utf16Bytes(text string) (out []byte) {
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}

// foreign says what another zip file is.
func (b *Book) foreign() error {
	switch {
	case b.parts["xl/workbook.bin"] != nil:
		return errors.New("is a binary Excel workbook (.xlsb): open it in a spreadsheet and save it as .xlsx")
	case b.parts["content.xml"] != nil && b.parts["mimetype"] != nil:
		return errors.New("is an OpenDocument file (.ods): open it in a spreadsheet and save it as .xlsx")
	case b.parts["index/document.iwa"] != nil || b.parts["index.zip"] != nil:
		return errors.New("is a file of Apple Numbers: export it as Excel (.xlsx)")
	}
	return errors.New("is a zip file and no Excel workbook: unpack it, and give the CSV or .xlsx file in it")
}
