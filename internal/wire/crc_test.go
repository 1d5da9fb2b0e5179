package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestChangeHeader: the CRC is that of all the bytes, whatever the header becomes and however many bytes follow it, and
// damage is not covered up.
func TestChangeHeader(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(b []byte) {
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	}
	for round := range 2000 {
		size := rng.IntN(300)
		if round%100 == 0 {
			size = rng.IntN(1 << 21)
		}
		batch := make([]byte, HeaderSize+size)
		random(batch)
		binary.BigEndian.PutUint32(batch[posCRC:], crcOf(batch))
		damaged := bytes.Clone(batch)
		damaged[posAttributes+rng.IntN(len(batch)-posAttributes)] ^= 1 << rng.IntN(8)
		var fields [HeaderSize - posAttributes]byte
		random(fields[:rng.IntN(len(fields)+1)])
		for _, b := range [][]byte{batch, damaged} {
			before := Batch{Raw: b}.Check()
			changeHeader(b, func(b []byte) {
				for i, v := range fields {
					b[posAttributes+i] ^= v
				}
			})
			if after := (Batch{Raw: b}).Check(); !errors.Is(after, before) {
				t.Fatalf("%d bytes behind the header, change %x: %v before, %v after", size, fields, before, after)
			}
		}
	}
}

func TestPassThroughLeavesDamage(t *testing.T) {
	for _, at := range []int{posAttributes, posProducerID, posCount, HeaderSize, HeaderSize + 3} {
		raw := built(t)
		raw[at] ^= 0x80
		passed := PassThrough(nil, Batch{Raw: raw})
		Seal(passed, 1, 2, 3)
		if err := (Batch{Raw: passed}).Check(); !errors.Is(err, ErrCRC) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}
