package classifier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// geoTree is the search tree of a verified database. A pointer is the number of a node, or the number of nodes where
// there is no data, or above that what is where the data is.
type geoTree struct {
	db         *maxminddb.Reader
	file       []byte
	nodes      uint
	recordSize uint
	ipv4, ipv6 uint    // the pointers for all of IPv4, which is ::/96 of a tree of both, and for ::/0
	reached    []uint8 // how a node was reached; 0 if it was not
	values     []uint8 // by pointer less nodes: what its data says; geoSplit, which none does, until that is read
	named      bool    // some data has a field that can name a country
}

const (
	reachedByWalk uint8 = iota + 1
	reachedByCutOff
)

func newGeoTree(db *maxminddb.Reader, data []byte) *geoTree {
	t := &geoTree{db: db, file: data, nodes: db.Metadata.NodeCount, recordSize: db.Metadata.RecordSize}
	t.reached = make([]uint8, t.nodes)
	t.values = bytes.Repeat([]byte{geoSplit}, len(data)-int(t.nodes*t.recordSize/4))
	t.values[0] = geoNoLocation
	if db.Metadata.IPVersion == 4 {
		t.ipv6 = t.nodes
		return t
	}
	for depth := 0; depth < 96 && t.ipv4 < t.nodes; depth++ {
		t.ipv4, _ = t.children(t.ipv4)
	}
	return t
}

// children reads the two pointers of a node, of 24, 28 or 32 bits each. Of 28 bits, the highest four of both share the
// byte in the middle. Nodes of less than 8 bytes are read beyond their end; after the last comes a separator.
func (t *geoTree) children(node uint) (left, right uint) {
	both := binary.BigEndian.Uint64(t.file[node*t.recordSize/4:])
	switch t.recordSize {
	case 24:
		return uint(both >> 40), uint(both >> 16 & 0xffffff)
	case 28:
		return uint(both>>40 | both>>12&0xf000000), uint(both >> 8 & 0xfffffff)
	default:
		return uint(both >> 32), uint(both & math.MaxUint32)
	}
}

// errSharedNode refuses a tree in which two pointers lead to one node. A few bytes of such a tree can stand for 2^128
// networks. Only the node of IPv4 may have aliases, and a walk does not enter those.
var errSharedNode = errors.New("its search tree reaches a node twice; the file is damaged, fetch it again")

// walk returns the ranges of all networks under a pointer, whose depth counts the bits of an IPv6 address. What is
// under the node alias has no location.
func (t *geoTree) walk(pointer uint, depth int, alias uint, list rangeList) ([]rangeStart, error) {
	type branch struct {
		pointer uint
		depth   int
	}
	first := uint128{}
	for pending := []branch{{pointer, depth}}; len(pending) > 0; {
		b := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		for b.pointer < t.nodes {
			if b.pointer == alias {
				b.pointer = t.nodes
				break
			}
			if t.reached[b.pointer] != 0 {
				return nil, errSharedNode
			}
			t.reached[b.pointer] = reachedByWalk
			left, right := t.children(b.pointer)
			b = branch{left, b.depth + 1}
			pending = append(pending, branch{right, b.depth})
		}
		value := t.values[b.pointer-t.nodes]
		if value == geoSplit {
			var err error
			if value, err = t.readValue(b.pointer); err != nil {
				return nil, fmt.Errorf("read record of %s: %w", networkAt(first, b.depth, depth), err)
			}
		}
		last := first.or(lastIPv6.shiftRight(b.depth))
		list.add(addressRange{first, last}, value)
		first = last.next()
	}
	return list.starts, nil
}

// readValue decodes the data that a pointer leads to.
func (t *geoTree) readValue(pointer uint) (uint8, error) {
	const separator = 16
	named, value, err := readCountry(t.db.LookupOffset(uintptr(pointer - t.nodes - separator)))
	t.named = t.named || named
	t.values[pointer-t.nodes] = value
	return value, err
}

// networkAt is the prefix of an address down to a depth, of IPv4 if the walk began at depth 96.
func networkAt(first uint128, depth, began int) netip.Prefix {
	ip := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, first.hi), first.lo)
	a, _ := netip.AddrFromSlice(ip[began/8:])
	return netip.PrefixFrom(a, depth-began)
}

// checkCutOff looks at the nodes that the walks have not reached. One that leads to a node of the walks was on the way
// to it, before the file was damaged.
func (t *geoTree) checkCutOff() error {
	for node := range t.nodes {
		if t.reached[node] == reachedByWalk {
			continue
		}
		left, right := t.children(node)
		for _, child := range [...]uint{left, right} {
			if child >= t.nodes || child == t.ipv4 {
				continue
			}
			if t.reached[child] != 0 {
				return errSharedNode
			}
			t.reached[child] = reachedByCutOff
		}
	}
	return nil
}
