package wire

import (
	"errors"
	"fmt"

	"github.com/demarc/demarc/internal/zstd"
)

// Codec is how a records section is compressed, with the numbers of the batch attributes.
type Codec int8

// The codecs of Kafka.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
	codecCount
)

var codecNames = [codecCount]string{"none", "gzip", "snappy", "lz4", "zstd"}

func (c Codec) known() bool { return c >= 0 && c < codecCount }

func (c Codec) String() string {
	if !c.known() {
		return fmt.Sprintf("codec(%d)", int8(c))
	}
	return codecNames[c]
}

// ParseCodec is the inverse of String.
func ParseCodec(name string) (Codec, error) {
	for c, n := range codecNames {
		if n == name {
			return Codec(c), nil
		}
	}
	return None, fmt.Errorf("parse codec: %q is none of none, gzip, snappy, lz4 and zstd", name)
}

// ErrTooLarge says that a records section or an answer is larger than its limit.
var ErrTooLarge = errors.New("larger than the limit")

// Decompressor expands records sections, never to more than its limit. It keeps its memory between calls and
// serves one goroutine. An error means that the section is damaged or beyond the limit ([ErrTooLarge]).
type Decompressor struct {
	limit int
	buf   []byte // of Open
	gzip  gzipReader
	zstd  zstd.Decoder
}

// NewDecompressor makes a Decompressor that expands a section to at most limit bytes.
func NewDecompressor(limit int) *Decompressor { return &Decompressor{limit: limit} }

// Open returns the decompressed records section of b. It is borrowed: from b if b is not compressed, otherwise
// from the Decompressor until its next Open.
func (d *Decompressor) Open(b Batch) ([]byte, error) {
	c, section := b.Codec(), b.Section()
	if b.Count() == 0 && len(section) == 0 {
		return nil, nil // compaction leaves such a batch, whatever its codec
	}
	if c == None {
		if len(section) > d.limit {
			return nil, d.tooLarge(c)
		}
		return section, nil
	}
	var err error
	d.buf, err = d.Decompress(d.buf[:0], c, section)
	if err != nil {
		return nil, fmt.Errorf("read batch at offset %d: %w", b.BaseOffset(), err)
	}
	return d.buf, nil
}

// Decompress appends the expanded src to dst, in place where dst has room. The limit is on what is appended.
// src has to be exactly one section: what follows it is damage. On an error dst comes back with its old length.
func (d *Decompressor) Decompress(dst []byte, c Codec, src []byte) ([]byte, error) {
	old := len(dst)
	var err error
	switch c {
	case None:
		if len(src) > d.limit {
			return dst, d.tooLarge(c)
		}
		return append(dst, src...), nil
	case Gzip:
		dst, err = d.gzip.decompress(dst, src, d.limit)
	case Snappy:
		dst, err = decompressSnappy(dst, src, d.limit)
	case LZ4:
		dst, err = decompressLZ4(dst, src, d.limit)
	case Zstd:
		dst, err = decompressZstd(&d.zstd, dst, src, d.limit)
	default:
		return dst, fmt.Errorf("decompress %v: the codec is unknown", c)
	}
	switch {
	case err == nil:
		return dst, nil
	case errors.Is(err, ErrTooLarge):
		return dst[:old], d.tooLarge(c)
	}
	return dst[:old], fmt.Errorf("decompress %v: %w", c, err)
}

func (d *Decompressor) tooLarge(c Codec) error {
	return fmt.Errorf("decompress %v: the records section is %w of %d bytes", c, ErrTooLarge, d.limit)
}

// Compressor compresses records sections. It keeps its memory between calls, makes the encoder of a codec at
// its first use and serves one goroutine.
type Compressor struct {
	gzip gzipWriter
	lz4  lz4Encoder
	zstd zstd.Encoder

	section []byte // what Builder.Build last compressed
}

// NewCompressor makes a Compressor.
func NewCompressor() *Compressor { return &Compressor{} }

// Compress appends the compressed src to dst, in place where dst has room. On an error dst comes back with its old
// length.
func (c *Compressor) Compress(dst []byte, codec Codec, src []byte) ([]byte, error) {
	old := len(dst)
	var err error
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		dst, err = c.gzip.compress(dst, src)
	case Snappy:
		return compressSnappy(dst, src), nil
	case LZ4:
		dst, err = c.lz4.compress(dst, src)
	case Zstd:
		return c.zstd.Append(dst, src), nil
	default:
		return dst, fmt.Errorf("compress %v: the codec is unknown", codec)
	}
	if err != nil {
		return dst[:old], fmt.Errorf("compress %v: %w", codec, err)
	}
	return dst, nil
}

// firstRoom is the least room that a section is decoded into.
const firstRoom = 64 << 10

var errEmpty = errors.New("there is nothing to decompress")
