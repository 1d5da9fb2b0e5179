package wire

import (
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Versions of Produce. 3 is the first with batches of format v2, 7 the first with zstd, 8 the last that
// kafka-go negotiates and the first that names the records it refuses.
const (
	produceMin = 3
	produceMax = 8
)

// Produce is one Produce request to one broker with acks=all, for kafka-go's Transport.RoundTrip. RoundTrip returns the [ProduceResponse] of this very Produce. The same Produce can be
// sent again. After a RoundTrip that its context ended without a deadline, a connection may still be reading
// the batches.
type Produce struct {
	BrokerID   int32
	ClientID   string
	Timeout    time.Duration      // how long the broker waits for its replicas
	Partitions []ProducePartition // those of one topic stand together; a partition occurs once

	// TransactionalID is the transactional producer whose open transaction the batches belong to; empty outside
	// transactions. It goes with batches of [SealTransactional] and with no others: a broker would take one without
	// the bit, and everybody would see it at once.
	TransactionalID string

	version     int16
	correlation int32
	request     []byte
	body        []byte
	asked       asked
	response    ProduceResponse
}

// ProducePartition is one sealed batch for one partition. A broker takes only one per request.
type ProducePartition struct {
	Topic     string
	Partition int32
	Batch     []byte

	// Room is what lies right before Batch in the same memory, if that may be written to: what the request says before
	// the batch then leaves in one write with it. [ProduceRoom] bytes are enough.
	Room []byte
}

// ProduceRoom is how much room before a batch a request may need: names of topics have up to 249 bytes, and so may those
// of clients and transactions.
const ProduceRoom = 1 << 10

// ProduceResponse is the answer to a [Produce], good until the next RoundTrip of the same Produce.
type ProduceResponse struct {
	Throttle   time.Duration
	Partitions []ProducedPartition
}

// ProducedPartition is the answer for one partition.
type ProducedPartition struct {
	Request       int // index into Produce.Partitions
	Topic         string
	Partition     int32
	Error         int16
	BaseOffset    int64         // offset of the batch's first record; -1 if there is none
	LogAppendTime int64         // milliseconds since 1970 if the topic's timestamps are the broker's; else -1
	LogStart      int64         // -1 if the broker does not say
	RecordErrors  []RecordError // the records for which the batch was refused, where the broker names them
	Message       string        // what the broker says about Error, if anything
}

// RecordError is one record for which a batch was refused.
type RecordError struct {
	Index   int32 // which record of the batch, from 0
	Message string
}

var (
	_ protocol.BrokerMessage = (*Produce)(nil)
	_ protocol.RawExchanger  = (*Produce)(nil)
)

// ApiKey implements protocol.Message.
func (p *Produce) ApiKey() protocol.ApiKey { return protocol.Produce }

// ApiKey implements protocol.Message.
func (r *ProduceResponse) ApiKey() protocol.ApiKey { return protocol.Produce }

// Broker implements protocol.BrokerMessage.
func (p *Produce) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerByID(cluster, p.BrokerID)
}

// Required implements protocol.RawExchanger: always. The versions are those that kafka-go and the broker share.
func (p *Produce) Required(versions map[protocol.ApiKey]int16) bool {
	p.version = min(versions[protocol.Produce], produceMax)
	return true
}

// produceLimit bounds an answer, which is a few dozen bytes per partition and an error's text.
const produceLimit = 16 << 20

// RawExchange implements protocol.RawExchanger: it writes the request and reads the answer. After an error the
// connection is of no further use; kafka-go closes it. Whether the broker took the batches is then unknown.
func (p *Produce) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if p.version < produceMin {
		return nil, fmt.Errorf("produce to broker %d: it speaks Produce v%d, want v%d or later (Kafka 0.11)", p.BrokerID, p.version, produceMin)
	}
	for i := range p.Partitions {
		b := p.Partitions[i].Batch
		if sealed := len(b) >= HeaderSize && (Batch{Raw: b}).Transactional(); sealed != (p.TransactionalID != "") {
			return nil, fmt.Errorf("produce to broker %d: a batch for %s/%d is not sealed for transactional id %q", p.BrokerID, p.Partitions[i].Topic, p.Partitions[i].Partition, p.TransactionalID)
		}
	}
	p.correlation++
	if err := p.write(rw); err != nil {
		return nil, fmt.Errorf("produce to broker %d: %w", p.BrokerID, err)
	}
	body, err := readBody(rw, p.body, produceLimit, p.correlation)
	p.body = body[:cap(body)]
	if err == nil {
		err = p.parse(body)
	}
	if err != nil {
		return nil, fmt.Errorf("produce to broker %d: read answer: %w", p.BrokerID, err)
	}
	return &p.response, nil
}

// direct is the size from which a batch is written from where it is: a system call costs less than the copy.
const direct = 32 << 10

// write sends the request: large batches as they lie, everything between them gathered, before a batch if it has room
// there.
func (p *Produce) write(w io.Writer) error {
	buf := appendRequestHeader(p.request[:0], protocol.Produce, p.version, p.correlation, p.ClientID)
	if p.TransactionalID == "" {
		buf = append(buf, 0xff, 0xff) // null
	} else {
		buf = appendString(buf, p.TransactionalID)
	}
	buf = append(buf, 0xff, 0xff) // acks: -1, all
	buf = appendInt32(buf, milliseconds(p.Timeout))
	topics, size := 0, len(buf)+4
	for i := range p.Partitions {
		part := &p.Partitions[i]
		if i == 0 || part.Topic != p.Partitions[i-1].Topic {
			topics++
			size += 2 + len(part.Topic) + 4
		}
		size += 4 + 4 + len(part.Batch)
	}
	buf = appendInt32(buf, int32(topics))
	setLength(buf, size)

	for i := range p.Partitions {
		part := &p.Partitions[i]
		if i == 0 || part.Topic != p.Partitions[i-1].Topic {
			buf = appendString(buf, part.Topic)
			buf = appendInt32(buf, p.sameTopic(i))
		}
		buf = appendInt32(buf, part.Partition)
		buf = appendInt32(buf, int32(len(part.Batch)))
		if len(part.Batch) < direct {
			buf = append(buf, part.Batch...)
			continue
		}
		whole := part.behind(buf)
		if whole == nil {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			whole = part.Batch
		}
		if _, err := w.Write(whole); err != nil {
			return err
		}
		buf = buf[:0]
	}
	p.request = buf[:0]
	if len(buf) == 0 {
		return nil
	}
	_, err := w.Write(buf)
	return err
}

// behind puts b right before the batch and returns both, or nil if there is no room.
func (p *ProducePartition) behind(b []byte) []byte {
	n := len(p.Room)
	if len(b) > n || cap(p.Room)-n < len(p.Batch) || &p.Room[:n+1][n] != &p.Batch[0] {
		return nil
	}
	copy(p.Room[n-len(b):], b)
	return p.Room[n-len(b) : n+len(p.Batch)]
}

// sameTopic counts the partitions from index i on that belong to the topic of the one there.
func (p *Produce) sameTopic(i int) int32 {
	n := i + 1
	for n < len(p.Partitions) && p.Partitions[n].Topic == p.Partitions[i].Topic {
		n++
	}
	return int32(n - i)
}

// parse reads the body of an answer into p.response. Every partition must be answered exactly once.
func (p *Produce) parse(body []byte) error {
	res := &p.response
	*res = ProduceResponse{Partitions: res.Partitions[:0]}
	p.asked.reset(len(p.Partitions))

	c := cursor{b: body}
	for range c.array(2 + 4) {
		topic := c.string()
		for range c.array(4 + 2 + 8 + 8) {
			part, err := p.parsePartition(&c, topic)
			if err != nil {
				return err
			}
			res.Partitions = append(res.Partitions, part)
		}
	}
	res.Throttle = time.Duration(c.int32()) * time.Millisecond
	if err := c.end(); err != nil {
		return err
	}
	if len(res.Partitions) != len(p.Partitions) {
		return errMissing
	}
	return nil
}

func (p *Produce) parsePartition(c *cursor, topic []byte) (ProducedPartition, error) {
	part := ProducedPartition{Partition: c.int32(), Error: c.int16(), BaseOffset: c.int64(), LogAppendTime: c.int64(), LogStart: -1}
	if p.version >= 5 {
		part.LogStart = c.int64()
	}
	if p.version >= 8 {
		for range c.array(4 + 2) {
			part.RecordErrors = append(part.RecordErrors, RecordError{Index: c.int32(), Message: string(c.string())})
		}
		part.Message = string(c.string())
	}
	if c.bad {
		return part, errBody
	}
	i, err := p.asked.match(func(i int) bool {
		return p.Partitions[i].Partition == part.Partition && p.Partitions[i].Topic == string(topic)
	})
	if err != nil {
		return part, err
	}
	part.Request, part.Topic = i, p.Partitions[i].Topic
	return part, nil
}
