package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Versions of Fetch. 4 is the first with batches of format v2. 11 is left out on purpose: from there on a
// broker may send the client to a follower.
const (
	fetchMin = 4
	fetchMax = 10
)

// Fetch is one read_committed Fetch request to one broker, without a fetch session, for kafka-go's
// Transport.RoundTrip. RoundTrip returns the [FetchResponse] of this very Fetch: answer, buffer and request
// belong together and can be reused together once nothing borrowed from the answer is in use.
//
// A RoundTrip that its context ended without a deadline may leave a connection writing into the Fetch: drop a
// Fetch whose RoundTrip failed, buffer and all.
type Fetch struct {
	BrokerID   int32
	ClientID   string
	MaxWait    time.Duration
	MinBytes   int32
	MaxBytes   int32            // of the whole answer; the first batch comes whole all the same
	Partitions []FetchPartition // those of one topic stand together
	Buffer     []byte           // for the answer; replaced by a larger one where needed
	Limit      int              // bytes of the largest answer to accept

	version     int16
	correlation int32
	request     []byte
	asked       asked
	aborted     []AbortedTxn
	response    FetchResponse
}

// FetchPartition is one partition of a Fetch.
type FetchPartition struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // epoch of the leader that the caller knows; -1 to leave it unchecked
	MaxBytes    int32
}

// FetchResponse is the answer to a [Fetch]. It and all that it holds are good until the next RoundTrip of the
// same Fetch.
type FetchResponse struct {
	Throttle   time.Duration
	Error      int16  // of the request as a whole, from version 7 on
	Buffer     []byte // the body; the same memory as Fetch.Buffer
	Partitions []FetchedPartition
}

// FetchedPartition is the answer for one partition.
type FetchedPartition struct {
	Request          int // index into Fetch.Partitions
	Topic            string
	Partition        int32
	Error            int16
	HighWatermark    int64
	LastStableOffset int64
	LogStart         int64 // -1 if the broker does not say
	Aborted          []AbortedTxn
	Records          []byte // batches for [Next], borrowed from Buffer; the last one may be cut off
}

// AbortedTxn is a transaction that was aborted: the producer's transactional batches from FirstOffset on, up
// to its next abort marker, are not to be delivered.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

var (
	_ protocol.BrokerMessage = (*Fetch)(nil)
	_ protocol.RawExchanger  = (*Fetch)(nil)
)

// ApiKey implements protocol.Message.
func (f *Fetch) ApiKey() protocol.ApiKey { return protocol.Fetch }

// ApiKey implements protocol.Message.
func (r *FetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Broker implements protocol.BrokerMessage.
func (f *Fetch) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerByID(cluster, f.BrokerID)
}

// Required implements protocol.RawExchanger: always. The versions are those that kafka-go and the broker share.
func (f *Fetch) Required(versions map[protocol.ApiKey]int16) bool {
	f.version = min(versions[protocol.Fetch], fetchMax)
	return true
}

// RawExchange implements protocol.RawExchanger: it writes the request and reads the answer. After an error the
// connection is of no further use; kafka-go closes it.
func (f *Fetch) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if f.version < fetchMin {
		return nil, fmt.Errorf("fetch from broker %d: it speaks Fetch v%d, want v%d or later (Kafka 0.11)", f.BrokerID, f.version, fetchMin)
	}
	f.correlation++
	f.request = f.appendRequest(f.request[:0])
	if _, err := rw.Write(f.request); err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w", f.BrokerID, err)
	}
	body, err := readBody(rw, f.Buffer, f.Limit, f.correlation)
	f.Buffer = body[:cap(body)]
	if err == nil {
		err = f.parse(body)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch from broker %d: read answer: %w", f.BrokerID, err)
	}
	return &f.response, nil
}

func (f *Fetch) appendRequest(dst []byte) []byte {
	dst = appendRequestHeader(dst, protocol.Fetch, f.version, f.correlation, f.ClientID)
	dst = appendInt32(dst, -1) // replica id: a client
	dst = appendInt32(dst, milliseconds(f.MaxWait))
	dst = appendInt32(dst, f.MinBytes)
	dst = appendInt32(dst, f.MaxBytes)
	dst = append(dst, 1) // isolation level: read_committed
	if f.version >= 7 {
		dst = appendInt32(dst, 0)  // session id
		dst = appendInt32(dst, -1) // session epoch: no session
	}
	topics, from := 0, len(dst)
	dst = appendInt32(dst, 0)
	for rest := f.Partitions; len(rest) > 0; topics++ {
		n := 1
		for n < len(rest) && rest[n].Topic == rest[0].Topic {
			n++
		}
		dst = appendString(dst, rest[0].Topic)
		dst = appendInt32(dst, int32(n))
		for i := range rest[:n] {
			dst = f.appendPartition(dst, &rest[i])
		}
		rest = rest[n:]
	}
	binary.BigEndian.PutUint32(dst[from:], uint32(topics))
	if f.version >= 7 {
		dst = appendInt32(dst, 0) // forgotten topics
	}
	setLength(dst, len(dst))
	return dst
}

func (f *Fetch) appendPartition(dst []byte, p *FetchPartition) []byte {
	dst = appendInt32(dst, p.Partition)
	if f.version >= 9 {
		dst = appendInt32(dst, p.LeaderEpoch)
	}
	dst = appendInt64(dst, p.Offset)
	if f.version >= 5 {
		dst = appendInt64(dst, -1) // log start offset: a client has none
	}
	return appendInt32(dst, p.MaxBytes)
}

// parse reads the body of an answer into f.response.
func (f *Fetch) parse(body []byte) error {
	res := &f.response
	*res = FetchResponse{Buffer: body, Partitions: res.Partitions[:0]}
	f.aborted = f.aborted[:0]
	f.asked.reset(len(f.Partitions))

	c := cursor{b: body}
	res.Throttle = time.Duration(c.int32()) * time.Millisecond
	if f.version >= 7 {
		res.Error = c.int16()
		c.int32() // session id
	}
	for range c.array(2 + 4) {
		topic := c.string()
		for range c.array(4 + 2 + 8 + 8 + 4 + 4) {
			p, err := f.parsePartition(&c, topic)
			if err != nil {
				return err
			}
			res.Partitions = append(res.Partitions, p)
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	// Only now do the aborted transactions stay where they are.
	rest := f.aborted
	for i := range res.Partitions {
		p := &res.Partitions[i]
		n := len(p.Aborted)
		p.Aborted, rest = rest[:n:n], rest[n:]
	}
	return nil
}

func (f *Fetch) parsePartition(c *cursor, topic []byte) (FetchedPartition, error) {
	p := FetchedPartition{Partition: c.int32(), Error: c.int16(), HighWatermark: c.int64(), LastStableOffset: c.int64(), LogStart: -1}
	if f.version >= 5 {
		p.LogStart = c.int64()
	}
	start := len(f.aborted)
	for range c.array(8 + 8) {
		f.aborted = append(f.aborted, AbortedTxn{ProducerID: c.int64(), FirstOffset: c.int64()})
	}
	p.Aborted = f.aborted[start:]
	p.Records = c.bytes()
	if c.bad {
		return p, errBody
	}
	i, err := f.asked.match(func(i int) bool {
		return f.Partitions[i].Partition == p.Partition && f.Partitions[i].Topic == string(topic)
	})
	if err != nil {
		return p, err
	}
	p.Request, p.Topic = i, f.Partitions[i].Topic
	return p, nil
}
