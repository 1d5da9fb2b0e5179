package wire

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcOf is the CRC-32C that a batch has to have.
func crcOf(batch []byte) uint32 { return crc32.Checksum(batch[posAttributes:], castagnoli) }

// changeHeader lets change write to the header and brings the CRC with it, without reading the
// records section again: a CRC is linear, so what two headers before the same bytes differ in depends on these headers
// and on how many bytes follow. A batch that was damaged before stays so: its CRC does not match afterwards either.
func changeHeader(batch []byte, change func(batch []byte)) {
	covered := batch[posAttributes:HeaderSize]
	crc := binary.BigEndian.Uint32(batch[posCRC:])
	before := crc32.Checksum(covered, castagnoli)
	change(batch)
	differ := before ^ crc32.Checksum(covered, castagnoli)
	binary.BigEndian.PutUint32(batch[posCRC:], crc^followed(differ, uint(len(batch)-HeaderSize)))
}

// followed is what a difference of two CRC-32Cs becomes when n bytes, the same in both, follow: the product with
// x^(8n) modulo the polynomial.
func followed(differ uint32, n uint) uint32 {
	for ; n > 0; n &= n - 1 {
		differ = product(differ, followedBy[bits.TrailingZeros(n)])
	}
	return differ
}

// followedBy[k] is x^(8<<k) modulo the polynomial. No batch has more bytes than its length field can say.
var followedBy = func() (powers [31]uint32) {
	powers[0] = 1 << (31 - 8)
	for k := 1; k < len(powers); k++ {
		powers[k] = product(powers[k-1], powers[k-1])
	}
	return powers
}()

// product multiplies two polynomials over GF(2) modulo that of CRC-32C (RFC 3720, 12.1). The top bit is the
// coefficient of x^0, as in a CRC.
func product(a, b uint32) (p uint32) {
	for ; a != 0; a <<= 1 {
		p ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return p
}
