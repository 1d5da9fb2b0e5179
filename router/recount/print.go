package recount

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/demarc/demarc/internal/record"
)

// printer makes fingerprints of records: timestamp, key, value and headers, as they were at the source. The key is
// secret and of this run alone, so that nobody can make two sets of records whose fingerprints have one sum (a
// multiset hash of Clarke et al., MSet-Add-Hash, needs that).
type printer struct {
	key    [32]byte
	buffer []byte
}

func (p *printer) of(timestamp int64, r *record.Record) [4]uint64 {
	b := append(p.buffer[:0], p.key[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(timestamp))
	b = appendField(appendField(b, r.Key), r.Value)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Headers)))
	for _, h := range r.Headers {
		b = appendField(appendField(b, h.Key), h.Value)
	}
	p.buffer = b
	sum := sha256.Sum256(b)
	var print [4]uint64
	for i := range print {
		print[i] = binary.BigEndian.Uint64(sum[8*i:])
	}
	return print
}

// appendField tells null and empty apart.
func appendField(b, field []byte) []byte {
	if field == nil {
		return binary.BigEndian.AppendUint32(b, 1<<32-1)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
}

// add adds a fingerprint to the sum of a multiset, in which the order of records has no part.
func add(sum *[4]uint64, print [4]uint64) {
	for i := range sum {
		sum[i] += print[i]
	}
}

// maxDoubles is how many different records without a receipt are remembered until the source was read, about 100 bytes
// each. Those beyond stay unexplained.
const maxDoubles = 1 << 20

// doubles are records without a receipt that may turn out to be copies of records of the source.
type doubles struct {
	once sync.Once
	key  [32]byte

	mu   sync.Mutex
	seen map[[2]uint64][]double
	kept int
}

type double struct {
	place *foundPlace
	n     int64
}

func (d *doubles) printer() *printer {
	d.once.Do(func() { _, _ = rand.Read(d.key[:]) }) // never fails
	return &printer{key: d.key}
}

// expect remembers a record that lies in a place without a receipt.
func (d *doubles) expect(at *foundPlace, print [4]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[[2]uint64][]double{}
	}
	key := [2]uint64(print[:2])
	list := d.seen[key]
	for i := range list {
		if list[i].place == at {
			list[i].n++
			return
		}
	}
	if d.kept < maxDoubles {
		d.kept++
		d.seen[key] = append(list, double{at, 1})
	}
}

// explain takes in a record of the source. One goroutine calls it, when nothing is expected any more.
func (d *doubles) explain(print [4]uint64) {
	if len(d.seen) == 0 {
		return
	}
	key := [2]uint64(print[:2])
	for _, c := range d.seen[key] {
		c.place.Unreceipted.Duplicates += c.n
	}
	delete(d.seen, key)
}
