package zstd

import "encoding/binary"

const (
	frameMagic = 0xFD2FB528
	windowLog  = 20
	windowSize = 1 << windowLog // what a decoder has to keep, and how far back a match may be
	blockSize  = 128 << 10      // the largest block that the format has
	blockRoom  = 3              // for the header of a block
)

// Kinds of blocks.
const (
	blockRaw        = 0
	blockRepeated   = 1 // one byte so many times
	blockCompressed = 2
	blockReserved   = 3
)

// Encoder keeps its memory between calls, at most 1 MiB and mostly a third of it, and serves one goroutine. The zero
// Encoder is ready to use.
type Encoder struct {
	table  [1 << tableLog]uint32 // of where the bytes of a hash stood last, see find; 0 also for never
	recent recent
	pace   pace

	literals  literals
	sequences sequences
}

// Append appends src to dst as one frame, which says its size and has no checksum.
func (e *Encoder) Append(dst, src []byte) []byte {
	dst = appendFrameHeader(dst, len(src))
	if len(src) == 0 {
		return appendBlockHeader(dst, blockRaw, 0, true)
	}
	e.begin()
	for from := 0; from < len(src); from += blockSize {
		dst = e.appendBlock(dst, src, from, min(from+blockSize, len(src)))
	}
	return dst
}

// begin makes the next block the first of a frame.
func (e *Encoder) begin() {
	clear(e.table[:])
	e.recent = recent{1, 4, 8}
	e.pace.reset()
	e.forget()
}

// forget makes the next block have tables of its own.
func (e *Encoder) forget() { e.literals.kept, e.sequences.kept = false, false }

// appendFrameHeader appends magic, descriptor, the window where the content is larger, and the size (RFC 8878,
// 3.1.1.1).
func appendFrameHeader(dst []byte, size int) []byte {
	const single, two, four, eight = 1 << 5, 1 << 6, 2 << 6, 3 << 6 // a single segment; bytes of the size
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	switch {
	case size < 256:
		return append(dst, single, byte(size))
	case size < 256+1<<16:
		return binary.LittleEndian.AppendUint16(append(dst, two|single), uint16(size-256))
	case size <= windowSize:
		return binary.LittleEndian.AppendUint32(append(dst, four|single), uint32(size))
	}
	return binary.LittleEndian.AppendUint64(append(dst, eight, (windowLog-10)<<3), uint64(size))
}

func appendBlockHeader(dst []byte, kind, size int, last bool) []byte {
	v := kind<<1 | size<<3
	if last {
		v |= 1
	}
	return append(dst, byte(v), byte(v>>8), byte(v>>16))
}

// appendBlock appends src[from:to], as it is if it does not become smaller.
func (e *Encoder) appendBlock(dst, src []byte, from, to int) []byte {
	before := e.recent
	e.find(src, from, to)
	start := len(dst)
	dst = appendBlockHeader(dst, 0, 0, false) // for its room
	more := to < len(src)
	dst = e.literals.append(dst, more)
	dst = e.sequences.append(dst, more)
	kind, size := blockCompressed, len(dst)-start-blockRoom
	if size >= to-from {
		e.forget()        // a raw block has no tables
		e.recent = before // and no sequences
		dst = append(dst[:start+blockRoom], src[from:to]...)
		kind, size = blockRaw, to-from
	}
	appendBlockHeader(dst[:start], kind, size, to == len(src))
	return dst
}
