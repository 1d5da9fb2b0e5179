//go:build cgo

package wire

/*
#cgo noescape ZSTD_compress2
#cgo nocallback ZSTD_compress2
#cgo linux LDFLAGS: -Wl,--unresolved-symbols=ignore-all
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include <stddef.h>

// The stable part of zstd.h, for what the Go package that compiles libzstd does not pass on. Its objects are
// linked into the same program; only the trial link of this package alone lacks them, hence the flags.
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
enum { compressionLevel = 100, hashLog = 102, minMatch = 105 }; // of ZSTD_cParameter
ZSTD_CCtx *ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx *ctx);
size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *ctx, int parameter, int value);
size_t ZSTD_compress2(ZSTD_CCtx *ctx, void *dst, size_t room, const void *src, size_t size);
unsigned ZSTD_isError(size_t code);
const char *ZSTD_getErrorName(size_t code);
*/
import "C"

import (
	"errors"
	"slices"
	"unsafe"

	"github.com/DataDog/zstd"
)

// zstdEncoder is libzstd at its level 1: on small JSON records it takes half the time of the encoder in Go and
// compresses better. It writes no content checksum, as the batch has a CRC.
type zstdEncoder struct {
	ctx   *C.ZSTD_CCtx
	small bool // the parameters are those for small records
}

// smallRecord is the mean size, in bytes, up to which records count as small. What they repeat stands in the few
// records before: a hash table that fits the first cache finds it, in a fifth less time than that of level 1, and
// with a longer least match no size is lost. Long records would lose a quarter.
const smallRecord = 1 << 10

// compress appends src, which holds so many records, as one frame.
func (z *zstdEncoder) compress(dst, src []byte, records int) ([]byte, error) {
	if z.ctx == nil {
		if err := z.open(); err != nil {
			return dst, err
		}
	}
	if small := len(src) <= records*smallRecord; small != z.small {
		if err := z.tune(small); err != nil {
			return dst, err
		}
	}
	old, room := len(dst), zstd.CompressBound(len(src))
	dst = slices.Grow(dst, room)
	n := C.ZSTD_compress2(z.ctx, unsafe.Pointer(unsafe.SliceData(dst[old:old+room])), C.size_t(room),
		unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)))
	if err := zstdError(n); err != nil {
		return dst, err
	}
	return dst[:old+int(n)], nil
}

func (z *zstdEncoder) open() error {
	ctx := C.ZSTD_createCCtx()
	if ctx == nil {
		return errors.New("make encoder: out of memory")
	}
	if err := zstdError(C.ZSTD_CCtx_setParameter(ctx, C.compressionLevel, 1)); err != nil {
		C.ZSTD_freeCCtx(ctx)
		return err
	}
	z.ctx, z.small = ctx, false
	return nil
}

func (z *zstdEncoder) tune(small bool) error {
	table, match := C.int(0), C.int(0) // what the level says
	if small {
		table, match = 12, 7
	}
	if err := zstdError(C.ZSTD_CCtx_setParameter(z.ctx, C.hashLog, table)); err != nil {
		return err
	}
	if err := zstdError(C.ZSTD_CCtx_setParameter(z.ctx, C.minMatch, match)); err != nil {
		return err
	}
	z.small = small
	return nil
}

// close frees what C has allocated.
func (z *zstdEncoder) close() {
	if z.ctx != nil {
		C.ZSTD_freeCCtx(z.ctx)
		z.ctx = nil
	}
}

func zstdError(code C.size_t) error {
	if C.ZSTD_isError(code) == 0 {
		return nil
	}
	return errors.New("libzstd: " + C.GoString(C.ZSTD_getErrorName(code)))
}
