package intake

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/transform"
)

// utf16Decoder makes UTF-8 of UTF-16. The decoder of golang.org/x/text would put a replacement character in place of half a
// surrogate pair, and that would be sent as part of a name. Here such a half becomes the three bytes that UTF-8 would have
// for it if it were allowed. They are not valid, so the row is refused.
type utf16Decoder struct {
	transform.NopResetter
	high, low int // which of two bytes is the higher one
}

func (d utf16Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for ; nSrc+1 < len(src); nSrc += 2 {
		if nDst+utf8.UTFMax > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		r := d.unit(src[nSrc:])
		switch {
		case r < utf8.RuneSelf:
			dst[nDst] = byte(r)
			nDst++
			continue
		case !utf16.IsSurrogate(r):
			nDst += utf8.EncodeRune(dst[nDst:], r)
			continue
		case nSrc+3 >= len(src) && !atEOF:
			return nDst, nSrc, transform.ErrShortSrc
		}
		if nSrc+3 < len(src) {
			if pair := utf16.DecodeRune(r, d.unit(src[nSrc+2:])); pair != utf8.RuneError {
				nDst += utf8.EncodeRune(dst[nDst:], pair)
				nSrc += 2
				continue
			}
		}
		nDst += copy(dst[nDst:], []byte{0xe0 | byte(r>>12), 0x80 | byte(r>>6)&0x3f, 0x80 | byte(r)&0x3f})
	}
	if nSrc == len(src) {
		return nDst, nSrc, nil
	}
	if !atEOF {
		return nDst, nSrc, transform.ErrShortSrc
	}
	if nDst == len(dst) {
		return nDst, nSrc, transform.ErrShortDst
	}
	dst[nDst] = 0xff // half a character at the end: the file was cut
	return nDst + 1, len(src), nil
}

func (d utf16Decoder) unit(src []byte) rune {
	return rune(src[d.high])<<8 | rune(src[d.low])
}
