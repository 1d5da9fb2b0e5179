package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// ErrNoBroker says that the cluster's metadata does not name the broker that a request is for.
var ErrNoBroker = errors.New("broker is not in the cluster's metadata")

// brokerByID is what BrokerMessage asks of a request that knows its broker.
func brokerByID(cluster protocol.Cluster, id int32) (protocol.Broker, error) {
	b, ok := cluster.Brokers[id]
	if !ok {
		return protocol.Broker{ID: -1}, fmt.Errorf("find broker %d: %w", id, ErrNoBroker)
	}
	return b, nil
}

// appendRequestHeader appends a length, which setLength has to fill in, and request header v1.
func appendRequestHeader(dst []byte, key protocol.ApiKey, version int16, correlation int32, clientID string) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(key))
	dst = binary.BigEndian.AppendUint16(dst, uint16(version))
	dst = appendInt32(dst, correlation)
	return appendString(dst, clientID)
}

// setLength writes the length of a request that is n bytes long, its length field included.
func setLength(request []byte, n int) { binary.BigEndian.PutUint32(request, uint32(n-4)) }

func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }
func appendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

// milliseconds is d as requests carry it, within what they can carry.
func milliseconds(d time.Duration) int32 {
	return int32(min(max(d.Milliseconds(), 0), 1<<31-1))
}

// Buffers for answers begin small, as the answer to a Produce is, and grow in steps where records come in.
const (
	bodyFirst = 512
	bodyStep  = 64 << 10
)

// readBody reads one response: its length, the correlation id, which must be the request's, and the body, into
// buf or, where that is too small, into a new buffer of at most limit bytes.
func readBody(r io.Reader, buf []byte, limit int, correlation int32) ([]byte, error) {
	if cap(buf) < 8 {
		buf = make([]byte, bodyFirst)
	}
	head := buf[:8]
	if _, err := io.ReadFull(r, head); err != nil {
		return buf, err
	}
	size := int64(int32(binary.BigEndian.Uint32(head))) - 4
	id := int32(binary.BigEndian.Uint32(head[4:]))
	switch {
	case size < 0:
		return buf, fmt.Errorf("length %d is too short", size+4)
	case size > int64(limit):
		return buf, fmt.Errorf("%d bytes are %w of %d", size, ErrTooLarge, limit)
	case id != correlation:
		return buf, fmt.Errorf("correlation id is %d, want %d", id, correlation)
	}
	switch {
	case int64(cap(buf)) >= size:
	case size < bodyStep:
		buf = make([]byte, size)
	default:
		buf = make([]byte, (size+bodyStep-1)/bodyStep*bodyStep)
	}
	body := buf[:size]
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return buf, err
	}
	return body, nil
}

// cursor reads the fields of a response one after the other. Beyond the end it gives zeros and remembers so:
// its user checks ok before the first loop that a length steers, and at the end.
type cursor struct {
	b   []byte
	bad bool
}

var errBody = errors.New("a length goes beyond the end, or bytes follow the last field")

// take is the next n bytes; nil if there are not as many.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) int16() int16 {
	if p := c.take(2); p != nil {
		return int16(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if p := c.take(4); p != nil {
		return int32(binary.BigEndian.Uint32(p))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if p := c.take(8); p != nil {
		return int64(binary.BigEndian.Uint64(p))
	}
	return 0
}

// string is a string, or nil for a null one.
func (c *cursor) string() []byte {
	n := c.int16()
	if n == -1 {
		return nil
	}
	return c.take(int(n))
}

// bytes is a byte string, or nil for a null one.
func (c *cursor) bytes() []byte {
	n := c.int32()
	if n == -1 {
		return nil
	}
	return c.take(int(n))
}

// array is the length of an array whose elements take at least size bytes; a null array has none.
func (c *cursor) array(size int) int {
	n := int(c.int32())
	if n == -1 {
		return 0
	}
	if n < 0 || n > len(c.b)/size {
		c.b, c.bad = nil, true
		return 0
	}
	return n
}

// end is the fault of the whole body, if there is one.
func (c *cursor) end() error {
	if c.bad || len(c.b) > 0 {
		return errBody
	}
	return nil
}

var (
	errNotAsked = errors.New("it holds a partition that was not asked for")
	errTwice    = errors.New("it holds a partition twice")
	errMissing  = errors.New("it lacks a partition that was asked for")
)

// asked matches the partitions of an answer with those of its request. Brokers mostly keep the order, so the
// search starts behind the last match.
type asked struct {
	seen []bool
	next int
}

func (a *asked) reset(partitions int) {
	a.seen = append(a.seen[:0], make([]bool, partitions)...)
	a.next = 0
}

// match finds the one partition of the request for which is holds, each only once.
func (a *asked) match(is func(i int) bool) (int, error) {
	for range a.seen {
		if a.next >= len(a.seen) {
			a.next = 0
		}
		i := a.next
		a.next++
		switch {
		case !is(i):
		case a.seen[i]:
			return 0, errTwice
		default:
			a.seen[i] = true
			return i, nil
		}
	}
	return 0, errNotAsked
}
