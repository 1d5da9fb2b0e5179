package wire

import (
	"bytes"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
)

// gzipReader reads gzip (RFC 1952), several members too.
type gzipReader struct {
	src bytes.Reader
	gz  gzip.Reader
}

func (g *gzipReader) decompress(dst, src []byte, limit int) ([]byte, error) {
	g.src.Reset(src)
	if err := g.gz.Reset(&g.src); err != nil {
		return dst, unexpected(err)
	}
	old := len(dst)
	for {
		used := len(dst) - old
		if used > limit {
			return dst, ErrTooLarge
		}
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(max(used, firstRoom), limit+1-used))
		}
		n, err := g.gz.Read(dst[len(dst):min(cap(dst), old+limit+1)])
		dst = dst[:len(dst)+n]
		if err == io.EOF && len(dst)-old <= limit {
			return dst, nil
		}
		if err != nil && err != io.EOF {
			return dst, err
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// gzipWriter writes gzip at the fastest level: the ratio on JSON is close to the default's.
type gzipWriter struct {
	out appender
	gz  *gzip.Writer
}

func (g *gzipWriter) compress(dst, src []byte) ([]byte, error) {
	g.out.b = dst
	if g.gz == nil {
		gz, err := gzip.NewWriterLevel(&g.out, gzip.BestSpeed)
		if err != nil {
			return dst, err
		}
		g.gz = gz
	}
	g.gz.Reset(&g.out)
	if _, err := g.gz.Write(src); err != nil {
		return dst, err
	}
	if err := g.gz.Close(); err != nil {
		return dst, err
	}
	dst, g.out.b = g.out.b, nil
	return dst, nil
}

// appender is a byte slice as an io.Writer.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
