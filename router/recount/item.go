package recount

import (
	"encoding/binary"
	"errors"

	"github.com/demarc/demarc/internal/record"
)

// receipt is one receipt of the ledger as it waits in the spool: names are numbers there.
type receipt struct {
	entry    uint64
	index    int    // in the entry
	number   uint64 // of the receipt in the ledger, from 0
	sink     uint32
	policy   uint32
	geo      uint32 // 0: none
	source   uint32 // stream
	from, to int64  // source offsets
	base     int64  // offset of the first record, or first byte
	end      int64  // behind the last
	digest   [32]byte
	sets     []setCount
	siblings int     // receipts that the entry has in this sink, this one among them
	counts   []count // of the entry in this sink
}

type setCount struct {
	set     uint32
	records int64
}

// count is how many records had one outcome.
type count struct {
	set     uint32
	reason  record.Reason
	records int64
	bytes   int64
}

// key puts the receipts of one place in the order of the place.
func (r *receipt) key(group uint32) spoolKey { return spoolKey{group, r.base, r.entry} }

// append encodes all that is not in the key.
func (r *receipt) append(b []byte) []byte {
	for _, v := range []uint64{
		uint64(r.index), r.number, uint64(r.sink), uint64(r.policy), uint64(r.geo), uint64(r.source),
		uint64(r.from), uint64(r.to), uint64(r.end), uint64(r.siblings), uint64(len(r.sets)), uint64(len(r.counts)),
	} {
		b = binary.AppendUvarint(b, v)
	}
	b = append(b, r.digest[:]...)
	for _, n := range r.sets {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(n.set)), uint64(n.records))
	}
	for _, n := range r.counts {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(n.set)), uint64(n.reason))
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(n.records)), uint64(n.bytes))
	}
	return b
}

var errItem = errors.New("read temporary file: an item is cut off")

// read decodes what append encoded; it keeps the memory of r's lists.
func (r *receipt) read(key spoolKey, b []byte) error {
	i := items{b: b}
	*r = receipt{
		entry: key.entry, base: key.at, sets: r.sets[:0], counts: r.counts[:0],
		index: int(i.next()), number: i.next(), sink: uint32(i.next()), policy: uint32(i.next()), geo: uint32(i.next()), source: uint32(i.next()),
		from: int64(i.next()), to: int64(i.next()), end: int64(i.next()), siblings: int(i.next()),
	}
	sets, counts := i.next(), i.next()
	if len(i.b) < len(r.digest) {
		return errItem
	}
	i.b = i.b[copy(r.digest[:], i.b):]
	for range sets {
		r.sets = append(r.sets, setCount{uint32(i.next()), int64(i.next())})
	}
	for range counts {
		r.counts = append(r.counts, count{uint32(i.next()), record.Reason(i.next()), int64(i.next()), int64(i.next())})
	}
	if i.bad || len(i.b) > 0 {
		return errItem
	}
	return nil
}

// items reads numbers one after the other.
type items struct {
	b   []byte
	bad bool
}

func (i *items) next() uint64 {
	v, n := binary.Uvarint(i.b)
	if n <= 0 {
		i.b, i.bad = nil, true
		return 0
	}
	i.b = i.b[n:]
	return v
}
