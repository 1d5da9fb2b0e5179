package classifier

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// stringForm says what a string literal holds beside plain ASCII.
type stringForm uint8

const (
	hasEscape stringForm = 1 << iota
	hasNonASCII
)

// Eight bytes at a time: each constant repeats one byte.
const (
	ones        = 0x0101010101010101
	highs       = 0x80 * ones
	backslashes = '\\' * ones
)

// load reads the eight bytes at doc[i:], the first one lowest. It is checked against the capacity of doc, which
// saves instructions; the callers hold to its length.
func load(doc []byte, i int) uint64 { return binary.LittleEndian.Uint64(doc[i : i+8 : i+8]) }

// follow reports whether the bytes a and b stand at doc[i] and doc[i+1].
func follow(doc []byte, i int, a, b byte) bool {
	return len(doc)-i >= 2 && binary.LittleEndian.Uint16(doc[i:i+2:i+2]) == uint16(a)|uint16(b)<<8
}

// ends marks, in the high bits of the bytes of w, control bytes, quotes, backslashes and bytes outside ASCII. With its
// second bit turned over a control byte or a quote is below 0x21, and no other ASCII byte is. The lowest mark is exact;
// those above it may be wrong, since a marked byte may borrow from the next.
func ends(w uint64) uint64 {
	return (((w ^ 0x02*ones) - 0x21*ones) | ((w ^ backslashes) - ones) | w) & highs
}

// asciiEnds marks what ends does but for bytes outside ASCII; the other bits mean nothing.
func asciiEnds(w uint64) uint64 {
	return (((w ^ 0x02*ones) - 0x21*ones) | ((w ^ backslashes) - ones)) &^ w
}

// nonDigits marks the bytes of w that are no digits, in the same way.
func nonDigits(w uint64) uint64 {
	w ^= '0' * ones
	return ((w + (0x7f-9)*ones) | w) & highs
}

// firstMark is the number of the byte that holds the lowest mark.
func firstMark(marks uint64) int { return bits.TrailingZeros64(marks) >> 3 }

// firstMark2 is firstMark in two words of which one has a mark. It has no branch: strings of many lengths would take
// it now here, now there.
func firstMark2(low, high uint64) int {
	n := firstMark(low) // 8 if there is none
	return n + firstMark(high)&-(n>>3)
}

// plainEnd skips printable ASCII in a string literal, from i on. It stops at the first other byte, a quote or a
// backslash, in the last seven bytes of doc, or where the string turns out to be long: stringEnd takes longer
// steps. It is small enough to be inlined.
func plainEnd(doc []byte, i int) int {
	for end := min(len(doc)-7, i+40); i < end; i += 8 {
		if marks := ends(load(doc, i)); marks != 0 {
			return i + firstMark(marks)
		}
	}
	return i
}

// plainEnd16 is plainEnd in steps of 16 bytes, and stops in the last 15 bytes of doc. It is not inlined, to leave its
// caller the registers.
//
//go:noinline
func plainEnd16(doc []byte, i int) int {
	for end := min(len(doc)-15, i+48); i < end; i += 16 {
		b := doc[i : i+16 : i+16]
		if low, high := ends(load(b, 0)), ends(load(b, 8)); low|high != 0 {
			return i + firstMark2(low, high)
		}
	}
	return i
}

// stringEnd reads on inside a string literal, from i to its closing quote. It returns the quote's place and
// what the bytes from i on hold, or -1 if the literal is outside RFC 8259.
func stringEnd(doc []byte, i int) (int, stringForm) {
	var form stringForm
	for {
		var seen uint64
		for len(doc)-i >= 32 {
			b := doc[i : i+32 : i+32]
			w0, w1, w2, w3 := load(b, 0), load(b, 8), load(b, 16), load(b, 24)
			if (asciiEnds(w0)|asciiEnds(w1)|asciiEnds(w2)|asciiEnds(w3))&highs != 0 {
				break
			}
			seen |= w0 | w1 | w2 | w3
			i += 32
		}
		for len(doc)-i >= 8 {
			w := load(doc, i)
			seen |= w
			if marks := asciiEnds(w) & highs; marks != 0 {
				i += firstMark(marks)
				break
			}
			i += 8
		}
		// Bytes after the mark count too: at worst a string is checked that need not be.
		if seen&highs != 0 {
			form |= hasNonASCII
		}
		if i >= len(doc) {
			return -1, 0
		}
		switch c := doc[i]; {
		case c == '"':
			return i, form
		case c == '\\':
			n := escapeLength(doc[i:])
			if n == 0 {
				return -1, 0
			}
			i += n
			form |= hasEscape
		case c < ' ':
			return -1, 0
		default: // one of the last seven bytes of the document
			if c >= utf8.RuneSelf {
				form |= hasNonASCII
			}
			i++
		}
	}
}

// escapeLength is the length of the escape that b begins with, 0 if it is none of RFC 8259.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 || hexDigits(b[2:6]) < 0 {
			return 0
		}
		return 6
	}
	return 0
}

// hexDigits is the number that hex digits in either case stand for, -1 if one is none.
func hexDigits(b []byte) rune {
	var r rune
	for _, c := range b {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20-'a' <= 5:
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// decode gives the text of a string literal whose bytes between the quotes are raw: raw itself, or, if it has
// escapes, an unescaped copy at the end of s.text. It is false if the encoding is at fault: bytes that are no
// UTF-8, or half a surrogate pair.
func (s *docScratch) decode(raw []byte, form stringForm) ([]byte, bool) {
	if form&hasNonASCII != 0 && !utf8.Valid(raw) {
		return nil, false
	}
	if form&hasEscape == 0 {
		return raw, true
	}
	from := len(s.text)
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			s.text = append(s.text, raw...)
			return s.text[from:], true
		}
		s.text = append(s.text, raw[:i]...)
		r, n := unescape(raw[i:])
		if n == 0 {
			return nil, false
		}
		s.text = utf8.AppendRune(s.text, r)
		raw = raw[i+n:]
	}
}

// unescape reads the character that b begins with, one escape of RFC 8259 or a pair that is one character,
// and its length. The length is 0 if it is half a surrogate pair.
func unescape(b []byte) (rune, int) {
	switch c := b[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(c), 2
	}
	r := hexDigits(b[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, hexDigits(b[8:12])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}
