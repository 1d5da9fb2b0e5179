package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// built is a sealed batch of two small records.
func built(t testing.TB) []byte {
	t.Helper()
	var b Builder
	b.Add(sampleTime, []byte{1, 1, 0}) // null key, null value, no headers
	b.Add(sampleTime+1, []byte{1, 1, 0})
	raw, err := b.Build(nil, None, nil)
	if err != nil {
		t.Fatal(err)
	}
	Seal(raw, -1, -1, -1)
	return raw
}

func put32(raw []byte, at int, v uint32) { binary.BigEndian.PutUint32(raw[at:], v) }

func TestNextCutOff(t *testing.T) {
	raw := built(t)
	for n := range raw {
		if _, rest, err := Next(raw[:n]); !errors.Is(err, ErrPartial) || len(rest) != n {
			t.Errorf("%d of %d bytes: %v, %d bytes left", n, len(raw), err, len(rest))
		}
	}
	two := append(append([]byte{}, raw...), raw...)
	_, rest, err := Next(two)
	if err != nil || len(rest) != len(raw) {
		t.Errorf("two batches: %v, %d bytes left", err, len(rest))
	}
}

func TestNextRefuses(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"negative length":             func(b []byte) []byte { put32(b, posLength, math.MaxUint32); return b },
		"negative length, cut off":    func(b []byte) []byte { put32(b, posLength, math.MaxUint32); return b[:afterLength] },
		"length below a header":       func(b []byte) []byte { put32(b, posLength, HeaderSize-afterLength-1); return b },
		"length too short to tell":    func(b []byte) []byte { put32(b, posLength, 1); return b[:posMagic] },
		"unknown magic":               func(b []byte) []byte { b[posMagic] = 3; return b },
		"negative magic":              func(b []byte) []byte { b[posMagic] = 0xff; return b },
		"negative count":              func(b []byte) []byte { put32(b, posCount, math.MaxUint32); return b },
		"negative last offset delta":  func(b []byte) []byte { put32(b, posLastOffsetDelta, math.MaxUint32); return b },
		"negative base offset":        func(b []byte) []byte { b[0] = 0x80; return b },
		"last offset beyond an int64": func(b []byte) []byte { put32(b, 0, math.MaxInt32); put32(b, 4, math.MaxUint32); return b },
	} {
		raw := change(built(t))
		_, rest, err := Next(raw)
		if err == nil || errors.Is(err, ErrPartial) || errors.Is(err, ErrMagic) || len(rest) != len(raw) {
			t.Errorf("%s: %v, %d of %d bytes left", name, err, len(rest), len(raw))
		}
	}
}

func TestCheckSeesEveryBit(t *testing.T) {
	raw := built(t)
	for i := posCRC; i < len(raw); i++ {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if err := (Batch{Raw: raw}).Check(); !errors.Is(err, ErrCRC) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
			raw[i] ^= 1 << bit
		}
	}
	if err := (Batch{Raw: raw}).Check(); err != nil {
		t.Error(err)
	}
}

func TestControlTypeRefuses(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"compressed":     func(b []byte) { b[posAttributes+1] |= byte(Zstd) },
		"no record":      func(b []byte) { b[HeaderSize] = 0 },
		"key cut off":    func(b []byte) { b[HeaderSize+4] = 0x7e },
		"null key":       func(b []byte) { b[HeaderSize+4] = 1 },
		"key of 2 bytes": func(b []byte) { b[HeaderSize+4] = 4 },
	} {
		raw := golden(t, "java-commit.bin")
		change(raw)
		if got, err := (Batch{Raw: raw}).ControlType(); err == nil {
			t.Errorf("%s: type %d", name, got)
		}
	}
	emptied := golden(t, "java-emptied.bin")
	emptied[posAttributes+1] |= attrControl
	if got, err := (Batch{Raw: emptied}).ControlType(); err != nil || got != -1 {
		t.Errorf("emptied: type %d, %v, want -1", got, err)
	}
}
