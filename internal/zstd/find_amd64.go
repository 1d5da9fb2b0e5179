//go:build !nounsafe

package zstd

//lint:file-ignore U1000 find_amd64.s uses what nothing here does

// fastMargin is how near to the end of a block matchFast stops: it loads 41 bytes behind ip, and 32 behind literals that
// precede a match.
const fastMargin = 64

// Constants for find_amd64.s.
const (
	marks32 = marks & 0xffffffff
	ones32  = ones & 0xffffffff
	tops32  = tops & 0xffffffff

	documentEnd   = '}'
	smallLiterals = len(literalsCodes)
	smallLengths  = len(lengthCodes)
)

// The codes of small numbers as the last four bytes of a sequence have them: how many extra bits, and the code in its
// place.
var (
	literalsFields = [smallLiterals]uint32(fieldsOf(literalsCodes[:], ofLiterals))
	lengthFields   = [smallLengths]uint32(fieldsOf(lengthCodes[:], ofLengths))
)

func fieldsOf(codes []code, kind int) (t []uint32) {
	for _, c := range codes {
		t = append(t, uint32(c.bits)|uint32(c.code)<<(8+8*kind))
	}
	return t
}

// matchFast is match but for the last fastMargin bytes: where match has to go on.
func (e *Encoder) matchFast(src []byte, ip, anchor, to int) (nextIP, nextAnchor int) {
	for ip <= to-fastMargin {
		if len(e.sequences.list) == cap(e.sequences.list) {
			e.sequences.enlarge()
		}
		ip, anchor = matchAVX2(e, &src[0], ip, anchor, to)
	}
	return ip, anchor
}

// matchAVX2 does what match does, in the same order, while ip is at most to-fastMargin and there is room for sequences.
// What stands in e is up to date before and behind. Such a call is not interrupted; it takes a third of a
// millisecond at most, and mostly half of that.
//
//go:noescape
func matchAVX2(e *Encoder, src *byte, ip, anchor, to int) (nextIP, nextAnchor int)
