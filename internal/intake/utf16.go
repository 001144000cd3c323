package intake

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"
)

// utf16Reader makes UTF-8 of UTF-16. It differs from golang.org/x/text in what it does with half a surrogate pair: that becomes
// the three bytes UTF-8 would have for it if it were allowed, which are invalid and so refuse the row, where x/text
// puts a replacement character that would be sent as a part of the name.
type utf16Reader struct {
	src       *bufio.Reader
	bigEndian bool
	out       []byte // decoded, not yet read
	store     [16]byte
	err       error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	n := copy(p, u.out)
	u.out = u.out[n:]
	for n+utf8.UTFMax <= len(p) && u.err == nil {
		n += u.run(p[n:])
		if n+utf8.UTFMax <= len(p) {
			n += len(u.decode(p[n:n]))
		}
	}
	for n == 0 && len(p) > 0 && u.err == nil { // room for part of a character only
		u.out = u.decode(u.store[:0])
		n = copy(p, u.out)
		u.out = u.out[n:]
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, u.err
}

// run decodes what is buffered up to the first surrogate: nearly all there is, at several times the speed of decode.
func (u *utf16Reader) run(p []byte) int {
	in, _ := u.src.Peek(u.src.Buffered()) // asks for no more than is there
	order := u.order()
	n, used := 0, 0
	for ; used+2 <= len(in) && n+utf8.UTFMax <= len(p); used += 2 {
		unit := order.Uint16(in[used:])
		if unit >= 0xd800 && unit <= 0xdfff {
			break
		}
		if unit < utf8.RuneSelf {
			p[n] = byte(unit)
			n++
		} else {
			n += utf8.EncodeRune(p[n:], rune(unit))
		}
	}
	_, _ = u.src.Discard(used) // was just peeked at
	return n
}

// decode appends the next character to dst, which has room for it.
func (u *utf16Reader) decode(dst []byte) []byte {
	pair, err := u.src.Peek(2)
	if len(pair) < 2 {
		u.err = err
		if len(pair) == 1 && errors.Is(err, io.EOF) {
			return append(dst, 0xff) // half a character at the end: the file was cut
		}
		return dst
	}
	unit := u.order().Uint16(pair)
	_, _ = u.src.Discard(2) // was just peeked at
	if unit < 0xd800 || unit > 0xdfff {
		return utf8.AppendRune(dst, rune(unit))
	}
	if low, err := u.src.Peek(2); unit < 0xdc00 && err == nil && u.order().Uint16(low)&0xfc00 == 0xdc00 {
		unit2 := u.order().Uint16(low)
		_, _ = u.src.Discard(2) // was just peeked at
		return utf8.AppendRune(dst, 0x10000+rune(unit-0xd800)<<10+rune(unit2-0xdc00))
	}
	return append(dst, 0xe0|byte(unit>>12), 0x80|byte(unit>>6)&0x3f, 0x80|byte(unit)&0x3f)
}

func (u *utf16Reader) order() binary.ByteOrder {
	if u.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
